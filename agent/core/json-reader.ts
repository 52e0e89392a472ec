// SPDX-License-Identifier: Apache-2.0
// Reads JSON from its bytes, field by field: what is not asked for becomes neither an object nor a text.

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_LIST, CLOSE_LIST] = [0x7b, 0x7d, 0x5b, 0x5d];
const [SPACE, LAST_OF_ASCII] = [0x20, 0x7f];

/** What `field` answers for a field that was not asked for, and after the last. */
export const OTHER = -1;
export const END = -2;

/** Names to look for, in ASCII; `field` answers with their places. */
export type FieldNames = readonly Uint8Array[];

export const fieldNames = (...names: string[]): FieldNames =>
  names.map((name) => Uint8Array.from(name, (character) => character.charCodeAt(0)));

/**
 * A cursor that is before a value or within an object or list. Each value must be read or passed over by one call; one of
 * another type than was asked for reads as empty, as in core/json.ts. Of what it passes over it sees no more than where it
 * ends; where the bytes end before, it throws `SyntaxError`.
 */
export class JsonReader {
  #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, from = 0) {
    this.#bytes = bytes;
    this.#at = from;
  }

  /** Where the next value begins: another reader may begin there. */
  get position(): number {
    this.#next();
    return this.#at;
  }

  /** False when it is no object, which is passed over; else there is a `field` until it says `END`. */
  enterObject(): boolean {
    return this.#enter(OPEN_OBJECT);
  }

  /** False when it is no list, which is passed over; else there is an `element` until it says that there is none. */
  enterList(): boolean {
    return this.#enter(OPEN_LIST);
  }

  /** Goes before the value of the next field; of fields with one name the last counts. */
  field(names: FieldNames): number {
    if (this.#ends(CLOSE_OBJECT)) return END;
    this.#expect(QUOTE);
    const from = this.#at;
    const isPlain = this.#passTextBody();
    const to = this.#at - 1;
    this.#expect(COLON);
    if (isPlain) return this.#placeOf(names, from, to);
    const name = this.#decode(from, to, false);
    return names.findIndex((each) => String.fromCharCode(...each) === name);
  }

  element(): boolean {
    return !this.#ends(CLOSE_LIST);
  }

  /** Empty when it is no text. */
  text(): string {
    if (this.#next() !== QUOTE) {
      this.pass();
      return "";
    }
    const from = ++this.#at;
    const isPlain = this.#passTextBody();
    return this.#decode(from, this.#at - 1, isPlain);
  }

  /** Passes the value over if it is this text, written plainly. */
  passText(known: string): boolean {
    if (this.#next() !== QUOTE) return false;
    const bytes = this.#bytes;
    const from = this.#at + 1;
    const to = from + known.length;
    if (bytes[to] !== QUOTE) return false;
    for (let at = from; at < to; at++) {
      const byte = bytes[at] ?? 0;
      if (byte !== known.charCodeAt(at - from) || byte === BACKSLASH || byte > LAST_OF_ASCII) return false;
    }
    this.#at = to + 1;
    return true;
  }

  /** Passes the value over if it is an object that is written like this one. */
  passObject(source: string): boolean {
    if (this.#next() !== OPEN_OBJECT || source.length === 0) return false;
    const bytes = this.#bytes;
    const from = this.#at;
    for (let index = 0; index < source.length; index++) {
      const byte = bytes[from + index] ?? 0;
      if (byte !== source.charCodeAt(index) || byte > LAST_OF_ASCII) return false;
    }
    this.#at = from + source.length;
    return true;
  }

  /** Whether the next value is a text. */
  isText(): boolean {
    return this.#next() === QUOTE;
  }

  /** The value as it is written. */
  source(): string {
    const from = this.position;
    this.pass();
    return this.#bytes.toString("utf8", from, this.#at);
  }

  /** Passes a value over. */
  pass(): void {
    const first = this.#next();
    if (first === QUOTE) {
      this.#at++;
      this.#passTextBody();
    } else if (first === OPEN_OBJECT || first === OPEN_LIST) this.#passNested();
    else this.#passPlain();
  }

  #passNested(): void {
    const bytes = this.#bytes;
    let at = this.#at;
    let depth = 0;
    do {
      const byte = bytes[at++];
      if (byte === QUOTE) at = endOfText(bytes, at) + 1;
      else if (byte === OPEN_OBJECT || byte === OPEN_LIST) depth++;
      else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) depth--;
      else if (byte === undefined) this.#fail();
    } while (depth > 0);
    this.#at = at;
  }

  /** A number, `true`, `false` or `null`. */
  #passPlain(): void {
    const bytes = this.#bytes;
    let at = this.#at;
    for (let byte = bytes[at] ?? COMMA; isPlain(byte); byte = bytes[at] ?? COMMA) at++;
    if (at === this.#at) this.#fail();
    this.#at = at;
  }

  /** From after its first quote to after its last; whether it says itself, in ASCII and without a backslash. */
  #passTextBody(): boolean {
    const bytes = this.#bytes;
    let at = this.#at;
    let isPlain = true;
    for (let byte = bytes[at]; byte !== QUOTE; byte = bytes[at]) {
      if (byte === undefined) this.#fail();
      if (byte === BACKSLASH) {
        at++;
        isPlain = false;
      } else if (byte > LAST_OF_ASCII) isPlain = false;
      at++;
    }
    this.#at = at + 1;
    return isPlain;
  }

  #decode(from: number, to: number, isPlain: boolean): string {
    if (isPlain) return this.#bytes.toString("latin1", from, to);
    return JSON.parse(this.#bytes.toString("utf8", from - 1, to + 1));
  }

  #placeOf(names: FieldNames, from: number, to: number): number {
    const bytes = this.#bytes;
    for (let place = 0; place < names.length; place++) {
      const name = names[place];
      if (name?.length !== to - from) continue;
      let index = 0;
      while (index < name.length && bytes[from + index] === name[index]) index++;
      if (index === name.length) return place;
    }
    return OTHER;
  }

  #enter(open: number): boolean {
    if (this.#next() === open) {
      this.#at++;
      return true;
    }
    this.pass();
    return false;
  }

  #ends(close: number): boolean {
    let byte = this.#next();
    if (byte === COMMA) {
      this.#at++;
      byte = this.#next();
    }
    if (byte !== close) return false;
    this.#at++;
    return true;
  }

  #expect(wanted: number): void {
    if (this.#next() !== wanted) this.#fail();
    this.#at++;
  }

  /** The next byte that is not white space. */
  #next(): number {
    const bytes = this.#bytes;
    let byte = bytes[this.#at];
    while (byte !== undefined && byte <= SPACE) byte = bytes[++this.#at];
    return byte ?? this.#fail();
  }

  #fail(): never {
    throw new SyntaxError(`no JSON at byte ${this.#at} of ${this.#bytes.length}`);
  }
}

/** Where the quote is that ends it, or past the end of the bytes. */
function endOfText(bytes: Buffer, from: number): number {
  let at = from;
  for (let byte = bytes[at]; byte !== QUOTE && byte !== undefined; byte = bytes[at]) at += byte === BACKSLASH ? 2 : 1;
  return at;
}

/** Within a number, `true`, `false` or `null`: what is not white space and ends nothing. */
const isPlain = (byte: number): boolean =>
  byte > SPACE && byte !== COMMA && byte !== CLOSE_OBJECT && byte !== CLOSE_LIST && byte !== QUOTE;
