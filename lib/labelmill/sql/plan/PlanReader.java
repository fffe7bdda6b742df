package labelmill.sql.plan;

import java.util.Iterator;
import org.apache.spark.sql.catalyst.parser.ParserInterface;
import org.apache.spark.sql.catalyst.trees.TreeNode;
import scala.Option;
import scala.Product;
import scala.collection.Iterable;

/**
 * Parses a query and writes its plan as JSON, which `reader.py` reads. Compiled at run time by the
 * compiler that Spark ships (Janino: no generics, no lambdas).
 *
 * <p>It decides nothing: every child of every node is written, whatever it is.
 */
public final class PlanReader {
  /**
   * Parses a query and reads the plan.
   *
   * @param parser Spark's parser
   * @param sql the query
   * @return a JSON list of nodes, each before its children: [class, number of children, first
   *     character, last character, text]. Characters are code points of the query, -1 where unknown;
   *     text is null unless the node is a string, a number or a boolean. Where the parser rejects
   *     the query: "!" and its message; where the query is nested too deeply: "^".
   */
  public String read(Object parser, String sql) {
    NodeWriter out = new NodeWriter();  // one per call: several threads may parse at once
    try {
      write(((ParserInterface) parser).parsePlan(sql), out);
      return out.finish();
    } catch (StackOverflowError error) {
      return "^";
    } catch (Exception error) {
      return "!" + error.getMessage();
    }
  }

  private static void write(Object node, NodeWriter out) {
    if (node == null) {
      out.node("null", 0, -1, -1, null);
    } else if (node instanceof String || node instanceof Number || node instanceof Boolean) {
      out.node(node.getClass().getName(), 0, -1, -1, node.toString());
    } else if (node instanceof Iterable && named(node, "scala.collection.")) {
      Iterable items = (Iterable) node;
      begin(node, items.size(), out);
      for (scala.collection.Iterator i = items.iterator(); i.hasNext(); ) {
        write(i.next(), out);
      }
    } else if (node instanceof java.util.Map) {
      java.util.Map entries = (java.util.Map) node;
      begin(node, 2 * entries.size(), out);
      for (Iterator i = entries.entrySet().iterator(); i.hasNext(); ) {
        java.util.Map.Entry entry = (java.util.Map.Entry) i.next();
        write(entry.getKey(), out);
        write(entry.getValue(), out);
      }
    } else if (node instanceof Product
        && (named(node, "org.apache.spark.sql.catalyst.") || named(node, "scala."))) {
      Product product = (Product) node;
      begin(node, product.productArity(), out);
      for (int number = 0; number < product.productArity(); number++) {
        write(product.productElement(number), out);
      }
    } else {
      begin(node, 0, out);
    }
  }

  private static boolean named(Object node, String start) {
    return node.getClass().getName().startsWith(start);
  }

  private static void begin(Object node, int children, NodeWriter out) {
    int start = -1;
    int stop = -1;
    if (node instanceof TreeNode) {
      start = character(((TreeNode) node).origin().startIndex());
      stop = character(((TreeNode) node).origin().stopIndex());
    }
    out.node(node.getClass().getName(), children, start, stop, null);
  }

  private static int character(Option index) {
    return index.isDefined() ? ((Integer) index.get()).intValue() : -1;
  }
}
