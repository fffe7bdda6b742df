# Sourced by the other scripts. What every Python and every JVM of ours needs.
repo=${repo:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
export LABELMILL_HOME=${LABELMILL_HOME:-$repo/.labelmill}
export LABELMILL_PYTHON=$repo/.venv/bin/python
export PYSPARK_PYTHON=${PYSPARK_PYTHON:-$LABELMILL_PYTHON}
export PYSPARK_DRIVER_PYTHON=$LABELMILL_PYTHON
if [[ -f $repo/.venv/labelmill-java-home ]]; then
  JAVA_HOME=$(<"$repo/.venv/labelmill-java-home")
  export JAVA_HOME
fi
if [[ -f $repo/.venv/labelmill-spark-home ]]; then
  SPARK_HOME=$(<"$repo/.venv/labelmill-spark-home")
  export SPARK_HOME
fi
# TensorFlow prints a page about CPU instructions at each import otherwise.
export TF_CPP_MIN_LOG_LEVEL=${TF_CPP_MIN_LOG_LEVEL:-3}
