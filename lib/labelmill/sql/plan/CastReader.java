package labelmill.sql.plan;

import java.util.ArrayDeque;
import java.util.IdentityHashMap;
import org.apache.spark.sql.catalyst.expressions.BinaryComparison;
import org.apache.spark.sql.catalyst.expressions.Cast;
import org.apache.spark.sql.catalyst.expressions.RuntimeReplaceable;
import org.apache.spark.sql.catalyst.trees.TreeNode;
import org.apache.spark.sql.types.StringType;
import scala.Product;
import scala.collection.Iterable;

/** Writes casts of an analysed plan that change what a query means as JSON, for `reader.py`. */
public final class CastReader {
  /**
   * Reads the casts of a plan, including those in subqueries and in the expressions that functions
   * are replaced by.
   *
   * @param plan analysed: implicit casts are present, and types are known
   * @return a JSON list of [type of the value as Spark's JSON, type it is cast to, SQL of the
   *     value]; only casts of values with binary data, and those that Spark added to compare text
   *     with another type
   */
  public String read(Object plan) {
    NodeWriter out = new NodeWriter();
    IdentityHashMap seen = new IdentityHashMap();
    ArrayDeque waiting = new ArrayDeque();
    waiting.push(plan);
    while (!waiting.isEmpty()) {
      Object node = waiting.pop();
      if (seen.put(node, node) != null) {
        continue;
      }
      if (node instanceof Cast) {
        write((Cast) node, out);
      }
      if (node instanceof BinaryComparison) {
        writeText(((BinaryComparison) node).left(), (BinaryComparison) node, out);
        writeText(((BinaryComparison) node).right(), (BinaryComparison) node, out);
      }
      if (node instanceof RuntimeReplaceable) {
        waiting.push(((RuntimeReplaceable) node).replacement());
      }
      if (node instanceof TreeNode) {
        waiting.push(((TreeNode) node).children());
        waiting.push(((TreeNode) node).innerChildren());
      }
      if (node instanceof Iterable && named(node, "scala.collection.")) {
        for (scala.collection.Iterator i = ((Iterable) node).iterator(); i.hasNext(); ) {
          push(waiting, i.next());
        }
      } else if (node instanceof Product
          && (node instanceof TreeNode
              || named(node, "org.apache.spark.sql.catalyst.")
              || named(node, "scala."))) {
        Product product = (Product) node;
        for (int number = 0; number < product.productArity(); number++) {
          push(waiting, product.productElement(number));
        }
      }
    }
    return out.finish();
  }

  private static void push(ArrayDeque waiting, Object node) {
    if (node != null) {
      waiting.push(node);
    }
  }

  private static void write(Cast cast, NodeWriter out) {
    String from = cast.child().dataType().json();
    if (from.indexOf("\"binary\"") >= 0) {
      out.cast(from, cast.dataType().json(), cast.child().sql());
    }
  }

  private static void writeText(Object side, BinaryComparison whole, NodeWriter out) {
    if (!(side instanceof Cast)) {
      return;
    }
    Cast cast = (Cast) side;
    boolean own = cast.getTagValue(Cast.USER_SPECIFIED_CAST()).isDefined();
    boolean text = cast.child().dataType() instanceof StringType;
    if (text && !own && !cast.child().foldable() && !(cast.dataType() instanceof StringType)) {
      out.cast("\"string\"", cast.dataType().json(), whole.sql());
    }
  }

  private static boolean named(Object node, String start) {
    return node.getClass().getName().startsWith(start);
  }
}
