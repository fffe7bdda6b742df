package labelmill.store.spark;

import java.util.ArrayList;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.catalyst.expressions.And;
import org.apache.spark.sql.catalyst.expressions.Attribute;
import org.apache.spark.sql.catalyst.expressions.BinaryComparison;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.In;
import org.apache.spark.sql.catalyst.expressions.InSet;
import org.apache.spark.sql.catalyst.expressions.KnownFloatingPointNormalized;
import org.apache.spark.sql.catalyst.expressions.Literal;
import org.apache.spark.sql.catalyst.expressions.Or;
import org.apache.spark.sql.catalyst.plans.logical.Filter;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.plans.logical.Project;
import org.apache.spark.sql.catalyst.plans.logical.SubqueryAlias;
import org.apache.spark.sql.catalyst.rules.Rule;
import org.apache.spark.sql.catalyst.trees.TreeNode;
import org.apache.spark.sql.execution.datasources.LogicalRelation;
import org.apache.spark.sql.types.BooleanType$;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DoubleType;
import org.apache.spark.sql.types.FloatType;
import org.apache.spark.sql.types.TimestampType;
import scala.Function1;
import scala.collection.JavaConversions;
import scala.collection.Seq;
import scala.runtime.AbstractFunction1;
import scala.runtime.AbstractPartialFunction;

/**
 * Rewrites conditions on scans of Kudu that the connector (kudu-spark 1.18.1) answers otherwise than
 * Spark, or not at all. It declares comparisons and IN as handled, so Spark does not look again.
 *
 * <ul>
 *   <li>Kudu takes NaN for equal to every number: comparisons of fractions stay in Spark.
 *   <li>IN with a null ends in a null pointer: the null matches nothing, so it goes.
 *   <li>IN of times is refused: it stays in Spark.
 * </ul>
 */
public final class KuduConditions extends Rule {
  private static final String RELATION = "org.apache.kudu.spark.kudu.KuduRelation";

  /** Adds this rule to a session, unless it has it. */
  public void addTo(SparkSession session) {
    Seq rules = session.experimental().extraOptimizations();
    ArrayList all = new ArrayList();
    for (scala.collection.Iterator i = rules.iterator(); i.hasNext(); ) {
      Object rule = i.next();
      if (rule == this) {
        return;
      }
      all.add(rule);
    }
    all.add(this);
    session.experimental().extraOptimizations_$eq(JavaConversions.asScalaBuffer(all).toList());
  }

  /** Applied at the end of Spark's optimizer, until nothing changes. */
  public TreeNode apply(TreeNode plan) {
    return ((LogicalPlan) plan).transformDown(new Filters());
  }

  /** Filters whose rows come straight from a table of Kudu. */
  public static final class Filters extends AbstractPartialFunction {
    public boolean isDefinedAt(Object node) {
      return node instanceof Filter && readsKudu(((Filter) node).child());
    }

    public Object applyOrElse(Object node, Function1 otherwise) {
      if (!isDefinedAt(node)) {
        return otherwise.apply(node);
      }
      Filter filter = (Filter) node;
      Expression condition = conjunct(filter.condition());
      return condition.fastEquals(filter.condition())
          ? filter
          : new Filter(condition, filter.child());
    }

    private static boolean readsKudu(LogicalPlan plan) {
      while (plan instanceof Filter || plan instanceof Project || plan instanceof SubqueryAlias) {
        plan = (LogicalPlan) plan.children().head();
      }
      return plan instanceof LogicalRelation
          && ((LogicalRelation) plan).relation().getClass().getName().equals(RELATION);
    }

    /** A condition that must be true: there, unknown counts as false, and a null in IN just goes. */
    private static Expression conjunct(Expression condition) {
      if (condition instanceof And) {
        And both = (And) condition;
        return new And(conjunct(both.left()), conjunct(both.right()));
      }
      Expression kept = (Expression) condition.transformDown(new Conditions());
      if (kept instanceof Or && ((Or) kept).left() instanceof In && isNull(((Or) kept).right())) {
        return ((Or) kept).left();
      }
      if (kept instanceof Or && ((Or) kept).left() instanceof InSet && isNull(((Or) kept).right())) {
        return ((Or) kept).left();
      }
      return kept;
    }
  }

  /** Comparisons that are not left to Kudu as they are. */
  public static final class Conditions extends AbstractPartialFunction {
    public boolean isDefinedAt(Object node) {
      return node instanceof BinaryComparison || node instanceof In || node instanceof InSet;
    }

    public Object applyOrElse(Object node, Function1 otherwise) {
      if (node instanceof BinaryComparison) {
        return ((TreeNode) node).mapChildren(new Kept(false));
      }
      if (node instanceof In) {
        In in = (In) node;
        Expression value = (Expression) new Kept(true).apply(in.value());
        ArrayList found = new ArrayList();
        for (scala.collection.Iterator i = in.list().iterator(); i.hasNext(); ) {
          Object item = i.next();
          if (!isNull(item)) {
            found.add(item);
          }
        }
        if (found.size() == in.list().size()) {
          return value == in.value() ? in : new In(value, in.list());
        }
        return orUnknown(new In(value, JavaConversions.asScalaBuffer(found).toList()));
      }
      if (node instanceof InSet) {
        InSet in = (InSet) node;
        Expression value = (Expression) new Kept(true).apply(in.child());
        if (in.hset().contains(null)) {
          return orUnknown(new InSet(value, (scala.collection.immutable.Set) in.hset().$minus(null)));
        }
        return value == in.child() ? in : new InSet(value, in.hset());
      }
      return otherwise.apply(node);
    }

    private static Expression orUnknown(Expression condition) {
      return new Or(condition, new Literal(null, BooleanType$.MODULE$));
    }
  }

  private static boolean isNull(Object expression) {
    return expression instanceof Literal && ((Literal) expression).value() == null;
  }

  /** Columns that Kudu must not compare, behind a mark that changes no value and is not pushed down. */
  public static final class Kept extends AbstractFunction1 {
    private final boolean times;

    public Kept(boolean times) {
      this.times = times;
    }

    public Object apply(Object side) {
      if (!(side instanceof Attribute)) {
        return side;
      }
      DataType type = ((Attribute) side).dataType();
      boolean fraction = type instanceof FloatType || type instanceof DoubleType;
      return fraction || (times && type instanceof TimestampType)
          ? new KnownFloatingPointNormalized((Expression) side)
          : side;
    }
  }
}
