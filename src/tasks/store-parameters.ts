import type { Spec } from '../jobs/kind.js';
import type { TaskSettings } from './settings.js';

/** Connection parameters of GeoServer's PostGIS store, without the password, as slaves have always had them. */
export function connectionParameters(
  store: Omit<TaskSettings['store'], 'password'>,
  namespace: string,
): Record<string, string> {
  return {
    host: store.host,
    port: String(store.port),
    database: store.database,
    schema: store.schema,
    user: store.user,
    namespace,
    dbtype: 'postgis',
    'Connection timeout': '20',
    'Evictor tests per run': '3',
    'validate connections': 'true',
    'encode functions': 'false',
    'max connections': '10',
    'Support on the fly geometry simplification': 'true',
    'Max connection idle time': '300',
    'Evictor run periodicity': '300',
    'Test while idle': 'true',
    'Loose bbox': 'true',
    'Expose primary keys': 'true',
    'create database': 'false',
    'Max open prepared statements': '50',
    'fetch size': '1000',
    preparedStatements: 'false',
    'Estimated extends': 'true',
    'min connections': '1',
  };
}

/** The parameters that a job sets itself: by a key of the parameter's name, or in `geoserver_setting`, which wins. */
export function overridesIn(
  spec: Spec,
  known: Readonly<Record<string, string>>,
): { readonly passwd?: string; readonly [parameter: string]: string } {
  const setting = (spec['geoserver_setting'] ?? {}) as Spec;
  const names = new Set([...Object.keys(known), 'passwd']);
  const entries = [...Object.entries(spec), ...Object.entries(setting)].filter(
    ([key, value]) => names.has(key) && ['string', 'number', 'boolean'].includes(typeof value),
  );
  return Object.fromEntries(entries.map(([key, value]) => [key, String(value)]));
}
