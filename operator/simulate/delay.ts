/** Hands values on so many calls later; undefined until then. */
export function delayBy<T>(calls: number): (value: T) => T | undefined {
  const late: T[] = [];
  return (value) => {
    late.push(value);
    return late.length > calls ? late.shift() : undefined;
  };
}
