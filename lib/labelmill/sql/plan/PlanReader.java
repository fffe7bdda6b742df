package labelmill.sql.plan;

import java.util.ArrayDeque;
import java.util.IdentityHashMap;
import java.util.Iterator;
import org.apache.spark.sql.catalyst.expressions.Alias;
import org.apache.spark.sql.catalyst.expressions.And;
import org.apache.spark.sql.catalyst.expressions.AttributeReference;
import org.apache.spark.sql.catalyst.expressions.Cast;
import org.apache.spark.sql.catalyst.expressions.EqualTo;
import org.apache.spark.sql.catalyst.expressions.Literal;
import org.apache.spark.sql.catalyst.expressions.RuntimeReplaceable;
import org.apache.spark.sql.catalyst.parser.ParserInterface;
import org.apache.spark.sql.catalyst.plans.logical.Filter;
import org.apache.spark.sql.catalyst.plans.logical.Join;
import org.apache.spark.sql.catalyst.plans.logical.LeafNode;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.plans.logical.Project;
import org.apache.spark.sql.catalyst.plans.logical.SubqueryAlias;
import org.apache.spark.sql.catalyst.plans.logical.View;
import org.apache.spark.sql.catalyst.trees.TreeNode;
import scala.Product;
import scala.collection.Iterable;

/**
 * A parsed plan as text, which `parsed_plan.py` reads. Compiled where it runs, by the compiler that
 * Spark ships (Janino: no generics, no lambdas).
 *
 * <p>It decides nothing: every part of every node is written, whatever it is.
 */
public final class PlanReader {
  private final StringBuilder out = new StringBuilder();

  /**
   * Parses a query and reads the plan.
   *
   * @param parser Spark's
   * @param sql the query
   * @return a JSON list of parts, each before its own parts: [class, parts, first character, last
   *     character, text]. Characters are code points of the query, -1 where unknown; text is null
   *     unless the part is a string, a number or a truth value. Where the parser refuses the query:
   *     "!" and what it says; where the query is nested too deeply: "^".
   */
  public String parse(Object parser, String sql) {
    PlanReader own = new PlanReader();  // several threads may parse at once
    try {
      own.out.append('[');
      own.put(((ParserInterface) parser).parsePlan(sql));
      return own.out.append(']').toString();
    } catch (StackOverflowError error) {
      return "^";
    } catch (Exception error) {
      return "!" + error.getMessage();
    }
  }

  /**
   * Reads the casts of a plan, in subqueries and in what functions stand for as well.
   *
   * @param plan analysed: implicit casts are there, and types are known
   * @return a JSON list of [type of the value as Spark's JSON, type that it becomes, expression of
   *     the value], without those of values that hold no bytes
   */
  public String casts(Object plan) {
    PlanReader own = new PlanReader();
    IdentityHashMap seen = new IdentityHashMap();
    ArrayDeque waiting = new ArrayDeque();
    waiting.push(plan);
    own.out.append('[');
    while (!waiting.isEmpty()) {
      Object part = waiting.pop();
      if (seen.put(part, part) != null) {
        continue;
      }
      if (part instanceof Cast) {
        own.cast((Cast) part);
      }
      if (part instanceof RuntimeReplaceable) {
        waiting.push(((RuntimeReplaceable) part).replacement());
      }
      if (part instanceof TreeNode) {
        waiting.push(((TreeNode) part).children());
        waiting.push(((TreeNode) part).innerChildren());
      }
      if (part instanceof Iterable && named(part, "scala.collection.")) {
        for (scala.collection.Iterator i = ((Iterable) part).iterator(); i.hasNext(); ) {
          later(waiting, i.next());
        }
      } else if (part instanceof Product
          && (part instanceof TreeNode
              || named(part, "org.apache.spark.sql.catalyst.")
              || named(part, "scala."))) {
        Product product = (Product) part;
        for (int number = 0; number < product.productArity(); number++) {
          later(waiting, product.productElement(number));
        }
      }
    }
    return own.out.append(']').toString();
  }

  /**
   * Reads what an analysed plan does, as far as it only selects, renames, compares and joins.
   *
   * @param plan analysed: columns have numbers, types are known
   * @return as of `parse`, but of these parts, by names without their package: View (text: its name)
   *     [what it stands for], SubqueryAlias [plan], Project [plan, columns …], Filter [plan,
   *     condition], Join (its type) [left, right, condition, if there is one], EqualTo and And
   *     [left, right], AttributeReference (number, type, name), Alias (number, name) [expression],
   *     Cast (type) [expression], Literal (type, value unless it is null); a plan without others
   *     below has its columns. Any other plan or expression has no parts.
   */
  public String selection(Object plan) {
    PlanReader own = new PlanReader();
    own.out.append('[');
    own.select(plan);
    return own.out.append(']').toString();
  }

  // Short, because an answer of more than 8 KB reaches Python 40 ms late: it goes in two packets.
  private void select(Object part) {
    if (part instanceof View) {
      told(part, 1, ((View) part).desc().identifier().table());
      select(((View) part).child());
    } else if (part instanceof SubqueryAlias) {
      told(part, 1, null);
      select(((SubqueryAlias) part).child());
    } else if (part instanceof Project) {
      Project project = (Project) part;
      told(part, 1 + project.projectList().size(), null);
      select(project.child());
      each(project.projectList());
    } else if (part instanceof Filter) {
      told(part, 2, null);
      select(((Filter) part).child());
      select(((Filter) part).condition());
    } else if (part instanceof Join) {
      Join join = (Join) part;
      told(part, join.condition().isDefined() ? 3 : 2, join.joinType().sql());
      select(join.left());
      select(join.right());
      if (join.condition().isDefined()) {
        select(join.condition().get());
      }
    } else if (part instanceof LeafNode) {
      scala.collection.Seq columns = ((LogicalPlan) part).output();
      told(part, columns.size(), null);
      each(columns);
    } else if (part instanceof EqualTo || part instanceof And) {
      told(part, 2, null);
      each(((TreeNode) part).children());
    } else if (part instanceof AttributeReference) {
      AttributeReference column = (AttributeReference) part;
      told(part, 0, column.exprId().id() + " " + column.dataType().typeName() + " " + column.name());
    } else if (part instanceof Alias) {
      told(part, 1, ((Alias) part).exprId().id() + " " + ((Alias) part).name());
      select(((Alias) part).child());
    } else if (part instanceof Cast) {
      told(part, 1, ((Cast) part).dataType().typeName());
      select(((Cast) part).child());
    } else if (part instanceof Literal) {
      Literal literal = (Literal) part;
      String type = literal.dataType().typeName();
      told(part, 0, literal.value() == null ? type : type + " " + literal.value());
    } else {
      told(part, 0, null);
    }
  }

  private void each(scala.collection.Seq parts) {
    for (scala.collection.Iterator i = parts.iterator(); i.hasNext(); ) {
      select(i.next());
    }
  }

  private void told(Object part, int parts, String text) {
    if (out.length() > 1) {
      out.append(',');
    }
    out.append("[\"").append(part.getClass().getSimpleName()).append("\",").append(parts);
    out.append(",-1,-1,");
    if (text == null) {
      out.append("null");
    } else {
      quote(text);
    }
    out.append(']');
  }

  private static void later(ArrayDeque waiting, Object part) {
    if (part != null) {
      waiting.push(part);
    }
  }

  private void cast(Cast cast) {
    String from = cast.child().dataType().json();
    if (from.indexOf("\"binary\"") < 0) {
      return;
    }
    out.append(out.length() > 1 ? ",[" : "[");
    out.append(from).append(',').append(cast.dataType().json()).append(',');
    quote(cast.child().sql());
    out.append(']');
  }

  private void put(Object part) {
    if (part == null) {
      row("null", 0, part);
    } else if (part instanceof String || part instanceof Number || part instanceof Boolean) {
      row(part.getClass().getName(), 0, part);
    } else if (part instanceof Iterable && named(part, "scala.collection.")) {
      Iterable items = (Iterable) part;
      row(part.getClass().getName(), items.size(), part);
      for (scala.collection.Iterator i = items.iterator(); i.hasNext(); ) {
        put(i.next());
      }
    } else if (part instanceof java.util.Map) {
      java.util.Map entries = (java.util.Map) part;
      row(part.getClass().getName(), 2 * entries.size(), part);
      for (Iterator i = entries.entrySet().iterator(); i.hasNext(); ) {
        java.util.Map.Entry entry = (java.util.Map.Entry) i.next();
        put(entry.getKey());
        put(entry.getValue());
      }
    } else if (part instanceof Product
        && (named(part, "org.apache.spark.sql.catalyst.") || named(part, "scala."))) {
      Product product = (Product) part;
      row(part.getClass().getName(), product.productArity(), part);
      for (int number = 0; number < product.productArity(); number++) {
        put(product.productElement(number));
      }
    } else {
      row(part.getClass().getName(), 0, part);
    }
  }

  private static boolean named(Object part, String start) {
    return part.getClass().getName().startsWith(start);
  }

  private void row(String kind, int parts, Object part) {
    if (out.length() > 1) {
      out.append(',');
    }
    out.append("[");
    quote(kind);
    out.append(',').append(parts).append(',');
    if (part instanceof TreeNode) {
      scala.Option first = ((TreeNode) part).origin().startIndex();
      scala.Option last = ((TreeNode) part).origin().stopIndex();
      out.append(first.isDefined() ? first.get().toString() : "-1").append(',');
      out.append(last.isDefined() ? last.get().toString() : "-1");
    } else {
      out.append("-1,-1");
    }
    out.append(',');
    if (part instanceof String || part instanceof Number || part instanceof Boolean) {
      quote(part.toString());
    } else {
      out.append("null");
    }
    out.append("]");
  }

  private void quote(String text) {
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
