package labelmill.store.drivers.java;

import com.stumbleupon.async.Deferred;
import com.stumbleupon.async.DeferredGroupException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.apache.kudu.client.AsyncKuduSession;
import org.apache.kudu.client.KuduTable;
import org.apache.kudu.client.Operation;
import org.apache.kudu.client.OperationResponse;
import org.apache.kudu.client.PartialRow;
import org.apache.kudu.client.SessionConfiguration;

/**
 * Turns columns in a buffer into Kudu rows, one flush per call; `columns.py` fills the buffer.
 * Compiled where it runs, by the compiler that Spark ships (Janino: no generics, no lambdas).
 *
 * <p>One flush is in flight while the next one is prepared, never two: rows of one key stay in
 * order. Bytes are sent from the buffer itself, which is free again when the next `send`, or
 * `close`, returns.
 */
public final class ColumnWriter {
  private final KuduTable table;
  private final String operation;
  private final AsyncKuduSession session;
  private final boolean nullsAreSent;
  private final int samples;
  private final List shown = new ArrayList();
  private Deferred underway;
  private long refused;

  public ColumnWriter(
      KuduTable table, String operation, int flushRows, int samples, long timeoutMillis) {
    this.table = table;
    this.operation = operation;
    // In a new row, cells that are not set are null.
    nullsAreSent = operation.equals("upsert");
    this.samples = samples;
    session = table.getAsyncClient().newSession();
    session.setFlushMode(SessionConfiguration.FlushMode.MANUAL_FLUSH);
    session.setMutationBufferSpace(flushRows);
    session.setTimeoutMillis(timeoutMillis);
  }

  /**
   * Sends rows, after waiting for those sent before.
   *
   * @param buffer holds the columns, little-endian
   * @param rows number of rows
   * @param kinds one letter per column: s, b (text, bytes), 1, 4, 8 (integers by size), f, d, t
   *     (float, double, boolean)
   * @param layout four numbers per column: its index in the table, and the positions in the buffer of
   *     its validity (one byte per row, 0 is null; -1: none is null), its cells (text and bytes: int32
   *     offsets, one more than rows), and the bytes of text and bytes
   */
  public void send(ByteBuffer buffer, int rows, String kinds, int[] layout) throws Exception {
    buffer.order(ByteOrder.LITTLE_ENDIAN);
    int columns = kinds.length();
    for (int row = 0; row < rows; row++) {
      Operation sent = operation();
      PartialRow cells = sent.getRow();
      for (int column = 0; column < columns; column++) {
        int index = layout[4 * column];
        int valid = layout[4 * column + 1];
        if (valid >= 0 && buffer.get(valid + row) == 0) {
          if (nullsAreSent) {
            cells.setNull(index);
          }
        } else {
          add(cells, index, kinds.charAt(column), buffer, layout, 4 * column, row);
        }
      }
      session.apply(sent);
    }
    await();
    underway = session.flush();
  }

  /** Waits for the last rows and ends the session. */
  public void close() throws Exception {
    try {
      await();
    } finally {
      underway = session.close();
      await();
    }
  }

  public long refused() {
    return refused;
  }

  /** Key and status of the first refused rows, alternating. */
  public String[] shown() {
    return (String[]) shown.toArray(new String[shown.size()]);
  }

  private Operation operation() {
    if (operation.equals("insert_ignore")) {
      return table.newInsertIgnore();
    } else if (operation.equals("upsert")) {
      return table.newUpsert();
    } else if (operation.equals("insert")) {
      return table.newInsert();
    } else if (operation.equals("delete_ignore")) {
      return table.newDeleteIgnore();
    }
    throw new IllegalArgumentException(operation);
  }

  private static void add(
      PartialRow cells, int index, char kind, ByteBuffer buffer, int[] layout, int at, int row) {
    int values = layout[at + 2];
    switch (kind) {
      case 's':
        cells.addStringUtf8(index, bytes(buffer, values + 4 * row, layout[at + 3]));
        break;
      case 'b':
        cells.addBinary(index, part(buffer, values + 4 * row, layout[at + 3]));
        break;
      case '1':
        cells.addByte(index, buffer.get(values + row));
        break;
      case '4':
        cells.addInt(index, buffer.getInt(values + 4 * row));
        break;
      case '8':
        cells.addLong(index, buffer.getLong(values + 8 * row));
        break;
      case 'f':
        cells.addFloat(index, buffer.getFloat(values + 4 * row));
        break;
      case 'd':
        cells.addDouble(index, buffer.getDouble(values + 8 * row));
        break;
      case 't':
        cells.addBoolean(index, buffer.get(values + row) != 0);
        break;
      default:
        throw new IllegalArgumentException("kind " + kind);
    }
  }

  private static byte[] bytes(ByteBuffer buffer, int offset, int data) {
    int start = buffer.getInt(offset);
    byte[] cell = new byte[buffer.getInt(offset + 4) - start];
    buffer.position(data + start);
    buffer.get(cell);
    return cell;
  }

  private static ByteBuffer part(ByteBuffer buffer, int offset, int data) {
    ByteBuffer cell = (ByteBuffer) buffer.duplicate();
    cell.position(data + buffer.getInt(offset));
    cell.limit(data + buffer.getInt(offset + 4));
    return (ByteBuffer) cell.slice();
  }

  private void await() throws Exception {
    Deferred sent = underway;
    underway = null;
    if (sent == null) {
      return;
    }
    List responses;
    try {
      responses = (List) sent.join();
    } catch (DeferredGroupException several) {
      // Says only that some failed; the innermost cause says why.
      Throwable failure = several;
      while (failure instanceof DeferredGroupException && failure.getCause() != null) {
        failure = failure.getCause();
      }
      throw failure instanceof Exception ? (Exception) failure : several;
    }
    for (int i = 0; i < responses.size(); i++) {
      OperationResponse response = (OperationResponse) responses.get(i);
      if (response.hasRowError()) {
        refused++;
        if (shown.size() < 2 * samples) {
          shown.add(response.getRowError().getOperation().getRow().stringifyRowKey());
          shown.add(response.getRowError().getErrorStatus().toString());
        }
      }
    }
  }
}
