import { AgentError } from '../../lib/errors.js';

/** Decides about one job: the task file merged with its meta file, plus `action`, `channel` and `job_file`. */
export interface Filter {
  /** True when the job is taken. Throws FilterError when the expression fails for this job. */
  accepts(job: Readonly<Record<string, unknown>>): boolean;
}

export interface FilterSetting {
  /** The variable it comes from. */
  readonly variable: string;
  /** The lambda expression as the operator wrote it. */
  readonly source: string;
  /** True when the operator set none. */
  readonly isDefault: boolean;
  readonly filter: Filter;
}

/** A filter that cannot be read, or fails for a job. `offset` is where in the expression, counted from 0 in UTF-16 units. */
export class FilterError extends AgentError {
  readonly offset: number;

  constructor(message: string, offset: number, hint?: string) {
    super('filter-failed', message, { retry: 'final', ...(hint === undefined ? {} : { hint }) });
    this.offset = offset;
  }
}
