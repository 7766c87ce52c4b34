import type { HostileClass } from './case.js';
import accessRules from './cases/access-rules.js';
import claims from './cases/claims.js';
import dumps from './cases/dumps.js';
import json from './cases/json.js';
import links from './cases/links.js';
import numbers from './cases/numbers.js';
import paths from './cases/paths.js';
import remotePaths from './cases/remote-paths.js';
import roleScripts from './cases/role-scripts.js';
import roles from './cases/roles.js';
import sqlNames from './cases/sql-names.js';
import sqlTexts from './cases/sql-texts.js';
import stores from './cases/stores.js';
import styles from './cases/styles.js';
import urls from './cases/urls.js';

export function loadClasses(): readonly HostileClass[] {
  return [
    ...[sqlNames, sqlTexts, styles, paths, links, remotePaths, json, numbers, urls, stores],
    ...[roles, roleScripts, accessRules, dumps, claims],
  ];
}
