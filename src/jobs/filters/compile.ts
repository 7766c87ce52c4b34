import { evaluateFor } from './explain.js';
import { FilterError, type Filter } from './filter.js';
import { parseLambda } from './parse.js';
import { isTruthy } from './values.js';

/**
 * A filter from a Python lambda such as `lambda job: job.get('auth_level', -1) in [0, 1]`. Throws FilterError with place and
 * reason when the expression is not one that filters support; `name` is the variable, for errors about a job.
 */
export function compileFilter(source: string, name: string): Filter {
  const lambda = parseLambda(source);
  return {
    accepts: (job) => {
      try {
        return isTruthy(evaluateFor(lambda, job));
      } catch (error) {
        if (!(error instanceof FilterError)) throw error;
        throw new FilterError(
          `${name}: ${error.message}`,
          error.offset,
          `Try it with: slave-sync filter test. A key that a job may lack is read with job.get('key').`,
        );
      }
    },
  };
}
