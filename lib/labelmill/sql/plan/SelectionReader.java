package labelmill.sql.plan;

import org.apache.spark.sql.catalyst.expressions.Alias;
import org.apache.spark.sql.catalyst.expressions.And;
import org.apache.spark.sql.catalyst.expressions.AttributeReference;
import org.apache.spark.sql.catalyst.expressions.Cast;
import org.apache.spark.sql.catalyst.expressions.EqualTo;
import org.apache.spark.sql.catalyst.expressions.Literal;
import org.apache.spark.sql.catalyst.plans.logical.Filter;
import org.apache.spark.sql.catalyst.plans.logical.Join;
import org.apache.spark.sql.catalyst.plans.logical.LeafNode;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.plans.logical.Project;
import org.apache.spark.sql.catalyst.plans.logical.SubqueryAlias;
import org.apache.spark.sql.catalyst.plans.logical.View;
import org.apache.spark.sql.catalyst.trees.TreeNode;
import scala.collection.Iterator;
import scala.collection.Seq;

/** Writes what an analysed plan selects as JSON, which `reader.py` reads. */
public final class SelectionReader {
  /**
   * Reads what a plan does, as far as it only selects, renames, compares and joins.
   *
   * @param plan analysed: columns have numbers, types are known
   * @return nodes as `PlanReader.read` writes them, but only these, named without their package:
   *     View (text: its name) [its plan], SubqueryAlias [plan], Project [plan, columns …], Filter
   *     [plan, condition], Join (its type) [left, right, condition, if there is one], EqualTo and And
   *     [left, right], AttributeReference (number, type, name), Alias (number, name) [expression],
   *     Cast (type) [expression], Literal (type, value unless it is null); a leaf plan has its
   *     columns. Any other plan or expression has no children.
   */
  public String read(Object plan) {
    NodeWriter out = new NodeWriter();
    write(plan, out);
    return out.finish();
  }

  // Kept short: an answer of more than 8 KB reaches Python 40 ms late, because it takes two packets.
  private static void write(Object node, NodeWriter out) {
    if (node instanceof View) {
      begin(node, 1, ((View) node).desc().identifier().table(), out);
      write(((View) node).child(), out);
    } else if (node instanceof SubqueryAlias) {
      begin(node, 1, null, out);
      write(((SubqueryAlias) node).child(), out);
    } else if (node instanceof Project) {
      Project project = (Project) node;
      begin(node, 1 + project.projectList().size(), null, out);
      write(project.child(), out);
      writeAll(project.projectList(), out);
    } else if (node instanceof Filter) {
      begin(node, 2, null, out);
      write(((Filter) node).child(), out);
      write(((Filter) node).condition(), out);
    } else if (node instanceof Join) {
      Join join = (Join) node;
      begin(node, join.condition().isDefined() ? 3 : 2, join.joinType().sql(), out);
      write(join.left(), out);
      write(join.right(), out);
      if (join.condition().isDefined()) {
        write(join.condition().get(), out);
      }
    } else if (node instanceof LeafNode) {
      Seq columns = ((LogicalPlan) node).output();
      begin(node, columns.size(), null, out);
      writeAll(columns, out);
    } else if (node instanceof EqualTo || node instanceof And) {
      begin(node, 2, null, out);
      writeAll(((TreeNode) node).children(), out);
    } else if (node instanceof AttributeReference) {
      AttributeReference column = (AttributeReference) node;
      String type = column.dataType().typeName();
      begin(node, 0, column.exprId().id() + " " + type + " " + column.name(), out);
    } else if (node instanceof Alias) {
      begin(node, 1, ((Alias) node).exprId().id() + " " + ((Alias) node).name(), out);
      write(((Alias) node).child(), out);
    } else if (node instanceof Cast) {
      begin(node, 1, ((Cast) node).dataType().typeName(), out);
      write(((Cast) node).child(), out);
    } else if (node instanceof Literal) {
      Literal literal = (Literal) node;
      String type = literal.dataType().typeName();
      begin(node, 0, literal.value() == null ? type : type + " " + literal.value(), out);
    } else {
      begin(node, 0, null, out);
    }
  }

  private static void writeAll(Seq nodes, NodeWriter out) {
    for (Iterator i = nodes.iterator(); i.hasNext(); ) {
      write(i.next(), out);
    }
  }

  private static void begin(Object node, int children, String text, NodeWriter out) {
    out.node(node.getClass().getSimpleName(), children, -1, -1, text);
  }
}
