package labelmill.sql.plan;

/** Writes the JSON list that `node.py` and `reader.py` read. */
public final class NodeWriter {
  private final StringBuilder out = new StringBuilder("[");

  /**
   * Adds a node of a plan; its children must follow.
   *
   * @param kind its class
   * @param children how many children it has
   * @param start first character in the query, or -1
   * @param stop last character, or -1
   * @param text its value, or null
   */
  public void node(String kind, int children, int start, int stop, String text) {
    next();
    out.append('[');
    quote(kind);
    out.append(',').append(children).append(',').append(start).append(',').append(stop);
    out.append(',');
    quote(text);
    out.append(']');
  }

  /**
   * Adds a cast.
   *
   * @param from type of the value, as JSON
   * @param to type it is cast to, as JSON
   * @param sql the value
   */
  public void cast(String from, String to, String sql) {
    next();
    out.append('[').append(from).append(',').append(to).append(',');
    quote(sql);
    out.append(']');
  }

  /** Ends the list and returns it. */
  public String finish() {
    return out.append(']').toString();
  }

  private void next() {
    if (out.length() > 1) {
      out.append(',');
    }
  }

  private void quote(String text) {
    if (text == null) {
      out.append("null");
      return;
    }
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      char letter = text.charAt(i);
      if (letter == '"' || letter == '\\' || letter < ' ' || letter > '~') {
        out.append("\\u");
        for (int shift = 12; shift >= 0; shift -= 4) {
          out.append(Character.forDigit((letter >> shift) & 15, 16));
        }
      } else {
        out.append(letter);
      }
    }
    out.append('"');
  }
}
