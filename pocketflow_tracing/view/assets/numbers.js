// JSON with its numbers as they were written: JavaScript has no integers beyond 2^53, and 1.0 is its 1.

/** A number that JavaScript would show otherwise than it was written. */
export class Written {
  constructor(source) {
    this.source = source;
  }

  toString() {
    return this.source;
  }
}

/** The value of a JSON text; browsers that do not tell how a number was written give plain numbers. */
export function parsed(text) {
  return JSON.parse(text, (key, value, context) =>
    typeof value === "number" && context?.source !== undefined && context.source !== String(value) ? new Written(context.source) : value);
}

/** A value as JSON again; what knows how numbers were written knows how to write them so. */
export function asJson(value, indent = 2) {
  return JSON.stringify(value, (key, inner) => (inner instanceof Written ? JSON.rawJSON(inner.source) : inner), indent);
}
