import type { Counters } from '../report/counters.ts';
import type { FleetFlights } from './fleetFlights.ts';
import type { FlightOptions, FlightWork } from './flight.ts';

type Flight = {
  readonly result: Promise<unknown>;
  readonly noLongerWanted: AbortController;
  /** Of the job that brought the function along: an abort of that job is not a failure of the work. */
  readonly leader: AbortSignal;
  passengers: number;
};

/**
 * One call for all jobs that need the same at the same time: in this process, and across the fleet when there is a
 * bucket for it.
 *
 * Nothing is kept: a flight is forgotten when it ends, so that there are never more than jobs that run. Its failure
 * goes to those who wait for it, and the next who asks tries again. When it failed because the job that led it was
 * aborted, one of those who wait leads the next.
 */
export class SingleFlights {
  readonly #flights = new Map<string, Flight>();
  readonly #fleet: FleetFlights | undefined;
  readonly #counters: Counters;

  constructor(fleet: FleetFlights | undefined, counters: Counters) {
    this.#fleet = fleet;
    this.#counters = counters;
  }

  /** @throws what the work throws, or the reason of the signal. */
  async fly<T>(key: string, work: FlightWork<T>, signal: AbortSignal, options: FlightOptions): Promise<T> {
    for (;;) {
      signal.throwIfAborted();
      const current = this.#flights.get(key);
      const flight = current ?? this.#takeOff(key, work, signal, options);
      try {
        // All who use a key want the same: that is what the key says.
        const result = (await this.#travel(key, flight, signal)) as T;
        if (current !== undefined) this.#counters.flightsShared += 1;
        return result;
      } catch (error) {
        if (current === undefined || signal.aborted || !current.leader.aborted) throw error;
      }
    }
  }

  #takeOff<T>(key: string, work: FlightWork<T>, leader: AbortSignal, options: FlightOptions): Flight {
    const noLongerWanted = new AbortController();
    const call = async (signal: AbortSignal): Promise<T> => {
      this.#counters.flightsLed += 1;
      return work(signal);
    };
    const result =
      this.#fleet === undefined
        ? call(noLongerWanted.signal)
        : this.#fleet.fly(key, call, noLongerWanted.signal, options);
    const flight: Flight = { result, noLongerWanted, leader, passengers: 0 };
    this.#flights.set(key, flight);
    const land = (): void => this.#forget(key, flight);
    result.then(land, land);
    return flight;
  }

  async #travel(key: string, flight: Flight, signal: AbortSignal): Promise<unknown> {
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => aborted.reject(signal.reason);
    signal.addEventListener('abort', onAbort);
    flight.passengers += 1;
    try {
      return await Promise.race([flight.result, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
      flight.passengers -= 1;
      if (flight.passengers === 0 && signal.aborted) {
        // Work that ignores its signal must not hold those up who ask later.
        this.#forget(key, flight);
        flight.noLongerWanted.abort(signal.reason);
      }
    }
  }

  #forget(key: string, flight: Flight): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}
