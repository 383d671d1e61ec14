// What goes wrong on purpose: each error says what, and what to do.

export class TercetError extends Error {
  /**
   * @param {string} message
   * @param {string} [hint]
   */
  constructor(message, hint = "") {
    super(message);
    this.name = new.target.name;
    this.hint = hint;
  }
}

/** Data, or a file, that cannot be taken as it is; `column` names the column where it is one. No message holds a value. */
export class InputError extends TercetError {
  /**
   * @param {string} message
   * @param {string} [hint]
   * @param {string} [column]
   */
  constructor(message, hint = "", column = "") {
    super(message, hint);
    this.column = column;
  }
}

/** A node that does not answer, or answers that it refuses; `status` is 0 where there was no answer. */
export class NodeError extends TercetError {
  /**
   * @param {string} message
   * @param {string} hint
   * @param {string} node
   * @param {number} status
   * @param {string} kind
   */
  constructor(message, hint, node, status, kind) {
    super(message, hint);
    this.node = node;
    this.status = status;
    this.kind = kind;
  }
}

/** What came is not what its sender must have meant: a signature that does not hold, or nodes that tell different ends. */
export class IntegrityError extends TercetError {}
