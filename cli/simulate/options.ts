/** What is typed after `penstock simulate`. Durations are milliseconds. */
export type SimulateOptions = {
  readonly policy: readonly string[];
  readonly pool?: string;
  readonly trace?: string;
  readonly rate?: string;
  readonly timeScale: number;
  readonly gaps: 'refuse' | 'quiet';
  readonly service: string;
  readonly peer?: readonly string[];
  readonly oracle: boolean;
  readonly start?: number;
  readonly startJitter: number;
  readonly heartbeats: boolean;
  readonly observationDelay: number;
  readonly failPercent: number;
  readonly retryDelay: number;
  readonly maxDeliver?: number;
  readonly maxAckPending?: number;
  readonly ackWait: number;
  readonly ackWaitExtension: boolean;
  readonly dependency?: number;
  readonly seed: number;
  readonly json: boolean;
  readonly html?: string;
  readonly svg?: string;
};
