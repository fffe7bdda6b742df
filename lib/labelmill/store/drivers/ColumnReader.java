package labelmill.store;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import org.apache.kudu.client.RowResult;
import org.apache.kudu.client.RowResultIterator;

/**
 * One batch of a scanner becomes columns, which `java_columns.py` reads. Compiled where it runs, by
 * the compiler that Spark ships (Janino: no generics, no lambdas).
 */
public final class ColumnReader {
  private ColumnReader() {}

  /**
   * Takes the next rows of a batch.
   *
   * @param rows the batch
   * @param count how many; so many must be left
   * @param kinds one letter a column: s, b (text, bytes), 1, 4, 8 (integers by size), f, d, t
   *     (float, double, truth)
   * @param nullable T or F for each column
   * @return the columns one after the other, little-endian: validity if nullable (a byte a row, 0
   *     is null), then cells (text and bytes: int32 ends, then all their bytes)
   */
  public static byte[] read(RowResultIterator rows, int count, String kinds, String nullable) {
    int columns = kinds.length();
    byte[][] valid = new byte[columns][];
    ByteBuffer[] fixed = new ByteBuffer[columns];
    byte[][] data = new byte[columns][];
    int[] used = new int[columns];
    for (int column = 0; column < columns; column++) {
      char kind = kinds.charAt(column);
      valid[column] = new byte[nullable.charAt(column) == 'T' ? count : 0];
      fixed[column] = ByteBuffer.allocate(count * width(kind));
      fixed[column].order(ByteOrder.LITTLE_ENDIAN);
      data[column] = new byte[kind == 's' || kind == 'b' ? 16 * count : 0];
    }
    for (int number = 0; number < count; number++) {
      RowResult row = (RowResult) rows.next();
      for (int column = 0; column < columns; column++) {
        char kind = kinds.charAt(column);
        ByteBuffer cells = fixed[column];
        boolean there = valid[column].length == 0 || !row.isNull(column);
        if (there && valid[column].length > 0) {
          valid[column][number] = 1;
        }
        if (kind == 's' || kind == 'b') {
          if (there) {
            // Kudu gives the bytes of binary cells only.
            ByteBuffer cell =
                kind == 'b'
                    ? row.getBinary(column)
                    : ByteBuffer.wrap(row.getString(column).getBytes(StandardCharsets.UTF_8));
            int size = cell.remaining();
            if (used[column] + size > data[column].length) {
              byte[] larger = new byte[2 * (used[column] + size)];
              System.arraycopy(data[column], 0, larger, 0, used[column]);
              data[column] = larger;
            }
            cell.get(data[column], used[column], size);
            used[column] += size;
          }
          cells.putInt(used[column]);
        } else if (there) {
          put(row, column, kind, cells);
        } else {
          cells.position(cells.position() + width(kind));
        }
      }
    }
    return joined(valid, fixed, data, used);
  }

  private static int width(char kind) {
    return kind == '1' || kind == 't' ? 1 : kind == '8' || kind == 'd' ? 8 : 4;
  }

  private static void put(RowResult row, int column, char kind, ByteBuffer cells) {
    switch (kind) {
      case '1':
        cells.put(row.getByte(column));
        break;
      case '4':
        cells.putInt(row.getInt(column));
        break;
      case '8':
        cells.putLong(row.getLong(column));
        break;
      case 'f':
        cells.putFloat(row.getFloat(column));
        break;
      case 'd':
        cells.putDouble(row.getDouble(column));
        break;
      case 't':
        cells.put((byte) (row.getBoolean(column) ? 1 : 0));
        break;
      default:
        throw new IllegalArgumentException("kind " + kind);
    }
  }

  private static byte[] joined(byte[][] valid, ByteBuffer[] fixed, byte[][] data, int[] used) {
    int size = 0;
    for (int column = 0; column < used.length; column++) {
      size += valid[column].length + fixed[column].capacity() + used[column];
    }
    byte[] whole = new byte[size];
    int at = 0;
    for (int column = 0; column < used.length; column++) {
      System.arraycopy(valid[column], 0, whole, at, valid[column].length);
      at += valid[column].length;
      System.arraycopy(fixed[column].array(), 0, whole, at, fixed[column].capacity());
      at += fixed[column].capacity();
      System.arraycopy(data[column], 0, whole, at, used[column]);
      at += used[column];
    }
    return whole;
  }
}
