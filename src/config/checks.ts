/** Checks of single values: each gets the value and says what is wrong with it, or nothing. None repeats the value, which may hold a secret. */

/** `user@host` or `host`; what ssh and rsync would take for an option or a second word is refused. */
export function checkServer(value: string): string | undefined {
  return /^(?:[\w.][\w.-]*@)?(?:[\w.][\w.-]*|\[[0-9a-f:.]+\])$/i.test(value)
    ? undefined
    : 'must be user@host';
}

export function checkAbsolute(value: string): string | undefined {
  return value.startsWith('/') ? undefined : 'must be an absolute path';
}

/** A channel is the name of a folder at the top of the state repository. */
export function checkChannel(value: string): string | undefined {
  return value.includes('/') || value.startsWith('.') ? 'a channel is the name of one folder' : undefined;
}

/** A branch, bookmark or ref name that no program takes for an option or a revision expression. */
export function checkBranch(value: string): string | undefined {
  return /^[^\s\-~^:?*[\\][^\s~^:?*[\\]*$/.test(value) ? undefined : 'is not a name of a branch';
}

/** A GeoServer's address: http or https, no user, query or fragment. */
export function checkGeoServerUrl(value: string): string | undefined {
  const url = parseHttp(value);
  return (
    checkHttpUrl(value) ??
    (url?.search === '' && url.hash === '' ? undefined : 'must not hold a query or fragment')
  );
}

/** A URL is shown in logs, so it may hold no user. */
export function checkHttpUrl(value: string): string | undefined {
  const url = parseHttp(value);
  if (url === undefined) return 'must be a http or https URL';
  return url.username === '' && url.password === ''
    ? undefined
    : 'must not hold a user or password: there are variables for them';
}

/** The same server always gives the same text: lower-case host, no default port, no slash at the end. */
export function normaliseUrl(value: string): string {
  return parseHttp(value)?.href.replace(/\/+$/, '') ?? value;
}

/** A template for one name: `{}` or `{0}`; other braces would be taken for something else by Python's format. */
export function checkTemplate(value: string): string | undefined {
  return /[{}]/.test(normaliseTemplate(value).replaceAll('{}', '')) ? 'may hold no braces but {}' : undefined;
}

export function normaliseTemplate(value: string): string {
  return value.replaceAll('{0}', '{}');
}

function parseHttp(value: string): URL | undefined {
  if (!/^https?:\/\//i.test(value) || !URL.canParse(value)) return undefined;
  return new URL(value);
}
