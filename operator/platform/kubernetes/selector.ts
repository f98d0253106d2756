/** One demand on the labels of an object. */
export type Requirement = {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  readonly values: readonly string[];
};

/**
 * Parses the notation in which a scale says which pods are its own: `app=a,tier!=b,env in (x,y),!old,new`.
 *
 * @throws Error quoting the part that cannot be read; guessing here could count pods of others.
 */
export function parseSelector(text: string): Requirement[] {
  // Commas separate demands, but also the values between parentheses.
  const parts = text.match(/(?:[^,(]|\([^)]*\))+/g) ?? [];
  return parts.map((part) => part.trim()).map(parseRequirement);
}

/** Whether labels meet all demands: a label that is absent meets NotIn and DoesNotExist. */
export function matches(
  requirements: readonly Requirement[],
  labels: Readonly<Record<string, string>>,
): boolean {
  return requirements.every(({ key, operator, values }) => {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
    const isListed = value !== undefined && values.includes(value);
    if (operator === 'In') return isListed;
    if (operator === 'NotIn') return !isListed;
    return (operator === 'Exists') === (value !== undefined);
  });
}

function parseRequirement(part: string): Requirement {
  const set = /^([^\s=!(),]+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(part);
  if (set?.[1] !== undefined) {
    const values = (set[3] ?? '').split(',').map((value) => value.trim());
    return { key: set[1], operator: set[2] === 'in' ? 'In' : 'NotIn', values };
  }
  const equality = /^([^\s=!(),]+)\s*(==?|!=)\s*([^\s=!(),]*)$/.exec(part);
  if (equality?.[1] !== undefined) {
    return { key: equality[1], operator: equality[2] === '!=' ? 'NotIn' : 'In', values: [equality[3] ?? ''] };
  }
  const presence = /^(!?)\s*([^\s=!(),]+)$/.exec(part);
  if (presence?.[2] !== undefined) {
    return { key: presence[2], operator: presence[1] === '!' ? 'DoesNotExist' : 'Exists', values: [] };
  }
  throw new Error(`label selector: cannot read "${part}"`);
}
