import type { Pod } from './pods.ts';
import { matches, parseSelector } from './selector.ts';
import type { Requirement } from './selector.ts';

/** Pods that have a thing in common, and which of them the selectors select that were asked about. */
type Bucket = { readonly pods: Set<Pod>; readonly selected: Map<string, readonly Pod[]> };

const nobody: readonly Pod[] = [];

/**
 * Which pods a selector selects, without a look at all pods: by the labels that selectors name, each indexed from the
 * first time that one names it. Answers are kept until a pod of theirs changes.
 */
export class PodIndex {
  /** By label key, then by namespace and value. */
  readonly #byLabel = new Map<string, Map<string, Bucket>>();
  /** Every pod, by namespace: for selectors that name no value, and for labels that are indexed later. */
  readonly #byNamespace = new Map<string, Bucket>();
  readonly #selectors = new Map<string, readonly Requirement[]>();

  change(before: Pod | undefined, after: Pod | undefined): void {
    if (before !== undefined) this.#remove(before);
    if (after !== undefined) this.#add(after);
  }

  /**
   * The same array as long as nothing about these pods changes.
   *
   * @param selector as a scale gives it.
   * @throws Error for a selector that cannot be read.
   */
  select(namespace: string, selector: string): readonly Pod[] {
    const requirements = this.#parse(selector);
    // Without a selector every pod of the namespace would be taken for a replica.
    if (requirements.length === 0) return nobody;
    const bucket = this.#smallest(namespace, requirements);
    if (bucket === undefined) return nobody;
    let selected = bucket.selected.get(selector);
    if (selected === undefined) {
      selected = [...bucket.pods].filter(({ labels }) => matches(requirements, labels));
      bucket.selected.set(selector, selected);
    }
    return selected;
  }

  /** Undefined when no pod meets one of the requirements. */
  #smallest(namespace: string, requirements: readonly Requirement[]): Bucket | undefined {
    let smallest: Bucket | undefined;
    for (const { key, operator, values } of requirements) {
      const [value] = values;
      if (operator !== 'In' || values.length !== 1 || value === undefined) continue;
      const bucket = this.#indexed(key).get(`${namespace} ${value}`);
      if (bucket === undefined) return undefined;
      if (smallest === undefined || bucket.pods.size < smallest.pods.size) smallest = bucket;
    }
    return smallest ?? this.#byNamespace.get(namespace);
  }

  #indexed(label: string): Map<string, Bucket> {
    let index = this.#byLabel.get(label);
    if (index === undefined) {
      index = new Map();
      this.#byLabel.set(label, index);
      for (const { pods } of this.#byNamespace.values()) {
        for (const pod of pods) addTo(index, placeOf(pod, label), pod);
      }
    }
    return index;
  }

  #parse(selector: string): readonly Requirement[] {
    let requirements = this.#selectors.get(selector);
    if (requirements === undefined) {
      requirements = parseSelector(selector);
      if (this.#selectors.size >= mostSelectors) this.#selectors.clear();
      this.#selectors.set(selector, requirements);
    }
    return requirements;
  }

  #add(pod: Pod): void {
    addTo(this.#byNamespace, pod.namespace, pod);
    for (const label of Object.keys(pod.labels)) {
      const index = this.#byLabel.get(label);
      if (index !== undefined) addTo(index, placeOf(pod, label), pod);
    }
  }

  #remove(pod: Pod): void {
    removeFrom(this.#byNamespace, pod.namespace, pod);
    for (const label of Object.keys(pod.labels)) {
      const index = this.#byLabel.get(label);
      if (index !== undefined) removeFrom(index, placeOf(pod, label), pod);
    }
  }
}

const mostSelectors = 100_000;

/** Undefined for a pod without the label. */
function placeOf({ namespace, labels }: Pod, label: string): string | undefined {
  return Object.hasOwn(labels, label) ? `${namespace} ${labels[label] ?? ''}` : undefined;
}

function addTo(index: Map<string, Bucket>, place: string | undefined, pod: Pod): void {
  if (place === undefined) return;
  let bucket = index.get(place);
  if (bucket === undefined) {
    bucket = { pods: new Set(), selected: new Map() };
    index.set(place, bucket);
  }
  bucket.pods.add(pod);
  bucket.selected.clear();
}

function removeFrom(index: Map<string, Bucket>, place: string | undefined, pod: Pod): void {
  const bucket = place === undefined ? undefined : index.get(place);
  if (place === undefined || bucket === undefined) return;
  bucket.pods.delete(pod);
  bucket.selected.clear();
  if (bucket.pods.size === 0) index.delete(place);
}
