/** Why a request is not taken in, as its sender will read it. */
export class Refusal extends Error {
  readonly status: number;
  /** When it is worth trying again. */
  readonly retryAfterSeconds: number | undefined;

  constructor(status: number, message: string, retryAfterSeconds?: number) {
    super(message);
    this.name = 'Refusal';
    this.status = status;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}
