// A reply that the proxy itself reads, as values.

/** Strings, whole numbers, nil, arrays of them, or an error in its place: what a RESP2 reply can hold. */
export type Answer = string | number | null | Error | Answer[]
