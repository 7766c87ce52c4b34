import { checkNames, type Published, type PublishDeps, type CommitOptions } from './options.js';
import { publish } from './publish.js';
import { timestamp } from './task-file.js';
import { openWorkingCopy } from './working-copy.js';

export interface WorkspaceOptions extends CommitOptions {
  readonly workspace: string;
  /** 0 or 1: its tables are readable by all, 2: by the role named like the workspace. Default 1. */
  readonly authLevel?: number | undefined;
  /** The schema of the tables, as the features are published with; default `<workspace>_data`. */
  readonly schema?: string | undefined;
}

/** `publish workspace`: has slaves make the workspace's schemas, reader role and GeoServer workspace. */
export async function publishWorkspace(
  options: WorkspaceOptions,
  deps: PublishDeps,
  signal: AbortSignal,
): Promise<Published> {
  const { channel, workspace } = options;
  checkNames(options);
  const copy = await openWorkingCopy(options, deps, signal);
  const content = {
    ...{ channel, sync_postgres_data: true, sync_geoserver_data: true, action: 'publish' },
    ...{ auth_level: options.authLevel ?? 1, publish_time: timestamp(deps.clock.now()) },
    ...{
      schema: workspace,
      data_schema: options.schema ?? `${workspace}_data`,
      outdated_schema: `${workspace}_outdated`,
    },
  };
  return publish(copy, options, deps, signal, undefined, () => ({
    path: `${channel}/workspaces/${workspace}.json`,
    content,
    message: `publish the workspace ${workspace}`,
  }));
}
