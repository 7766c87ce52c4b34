import type { Secret } from '../lib/secret.js';

/** The part of the configuration that tasks use. */
export interface TaskSettings {
  readonly slaveName: string;
  readonly skipDatabase: boolean;
  readonly skipGeoServer: boolean;
  /** Template with `{}` for the workspace's name. */
  readonly workspaceNamespace: string;
  /** Template with `{}` for the workspace's name. */
  readonly dataStoreName: string;
  readonly defaultCrs: string;
  /** How GeoServer reaches the slave's database. */
  readonly store: {
    readonly host: string;
    readonly port: number;
    readonly database: string;
    readonly schema: string;
    readonly user: string;
    readonly password: Secret;
    /** Of all of these, salted: a new password is a change like any other. */
    readonly digest: string;
  };
  readonly auth: {
    /** Databases besides `postgres` and the slave's that `slave_roles.sql` may name. */
    readonly databases: readonly string[];
    readonly user: string | undefined;
    readonly password: Secret | undefined;
  };
  /** WMS stores may be of this machine. */
  readonly allowLoopbackWms: boolean;
  /** Previews lie where the master reads them: they need not be sent. */
  readonly sharePreviewData: boolean;
  /** The folder of the previews that were drawn here. */
  readonly previewPath: string;
  readonly cdn: CdnSettings | undefined;
}

export interface CdnSettings {
  /** Address with `{}` for the service's id; `{}` in the result is the surrogate key. */
  readonly purgeUrl: string;
  readonly serviceId: string;
  readonly token: Secret;
  /** Templates over workspace and name. */
  readonly surrogateKeys: readonly string[];
  readonly softPurge: boolean;
}
