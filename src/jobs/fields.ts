import { z } from 'zod';

/**
 * The pieces that task files are made of. What is refused here never reaches a database, a server or a file system;
 * the adapters quote and check again.
 */

const CONTROL = /\p{Cc}/u;

/**
 * GeoServer's firewall refuses these in an address, encoded or not; a colon stands between a workspace and a name, so that one
 * more would make it the name of another workspace.
 */
// prettier-ignore
const UNADDRESSABLE = /[/\\%;:\u2028\u2029]/;

/** Why this can be no name of a layer, a workspace, a schema or a style; undefined when it can. */
export function nameProblem(name: string): string | undefined {
  if (name === '') return 'is empty';
  if (Buffer.byteLength(name) > 63) return 'is longer than 63 bytes, which PostgreSQL would cut';
  if (CONTROL.test(name)) return 'has a control character';
  if (!name.isWellFormed()) return 'is no valid Unicode';
  const bad = UNADDRESSABLE.exec(name)?.[0];
  if (bad !== undefined) return `has a ${JSON.stringify(bad)}, which no address of GeoServer can hold`;
  if (name.startsWith('-')) return 'starts with "-"';
  if (name === '.' || name.includes('..')) return 'is or has ".."';
  if (name.trim() !== name) return 'starts or ends with a space';
  return undefined;
}

export const name = z.string().superRefine((value, context) => {
  const problem = nameProblem(value);
  if (problem !== undefined)
    context.addIssue({ code: 'custom', message: `${JSON.stringify(value.slice(0, 100))} ${problem}` });
});

/** GeoServer takes `default` in an address for whichever workspace is the default one. */
export const workspaceName = name.refine(
  (value) => value !== 'default',
  '"default" stands for another workspace in the addresses of GeoServer',
);

/** SQL and what goes into it: no NUL and no half characters, which PostgreSQL cannot take. */
export const sql = z
  .string()
  .refine((value) => value.isWellFormed() && !value.includes('\0'), 'has a NUL or is no valid Unicode');

/** Free text for people: no NUL, which neither PostgreSQL nor XML can hold. */
export const text = z
  .string()
  .refine((value) => value.isWellFormed(), 'is no valid Unicode')
  .transform((value) => value.replace(/[^\P{Cc}\t\n\r]/gu, ''));

export const md5 = z
  .string()
  .regex(/^[0-9a-fA-F]{32}$/, 'is no md5 sum (32 hex digits)')
  .transform((value) => value.toLowerCase());

export const fileReference = z.object({ file: z.string().min(1), md5 });

/** [minx, miny, maxx, maxy], as a list or as a string that holds one in JSON. */
export const box = z
  .preprocess((value, context) => {
    if (typeof value !== 'string') return value;
    try {
      return JSON.parse(value) as unknown;
    } catch {
      context.addIssue({ code: 'custom', message: 'is a string that holds no JSON list' });
      return z.NEVER;
    }
  }, z.array(z.coerce.number()).length(4))
  .transform(([minx = 0, miny = 0, maxx = 0, maxy = 0]) => ({ minx, miny, maxx, maxy }));

/** A list, or a string split at "," and ";". */
export const keywords = z
  .union([z.array(text), z.string().transform((value) => value.split(/[,;]/))])
  .transform((list) => [...new Set(list.map((word) => word.trim()).filter((word) => word !== ''))]);

export const style = z
  .object({
    file: z.string().min(1).optional(),
    md5: md5.optional(),
    default: z.boolean().default(false),
  })
  .refine(({ file, md5: sum }) => (file === undefined) === (sum === undefined), {
    message: 'has a file without its md5, or an md5 without its file',
  });

/** Style names of one layer: "builtin" is the layer's own, others are `{layer}.{style}`. */
export const styles = z.record(name, style);

export const authLevel = z.coerce.number().int().min(-1).max(2);

/** Loose object of settings, whose values are strings, numbers, booleans or deeper. */
export const settings = z.record(z.string(), z.unknown());

const owsResource = z.object({
  protocol: z.string(),
  link: z.string().min(1),
  height: z.coerce.number().catch(0),
});

/** Addresses of pictures of the layer; entries that are none are left out, since nothing depends on them. */
const owsResources = z.array(z.unknown()).transform((list) =>
  list.flatMap((entry) => {
    const result = owsResource.safeParse(entry);
    return result.success ? [result.data] : [];
  }),
);

/** Keys every layer of every kind has. */
export const layer = {
  workspace: workspaceName,
  name,
  title: text.optional(),
  abstract: text.optional(),
  keywords: keywords.default([]),
  applications: keywords.default([]),
  auth_level: authLevel.optional(),
  bbox: box.nullish(),
  crs: z
    .string()
    .regex(/^[A-Za-z]+:\d{1,9}$/, 'is no code like EPSG:4326')
    .nullish(),
  override_bbox: z.boolean().default(false),
  spatial_data: z.boolean().default(true),
  sync_geoserver_data: z.boolean().default(true),
  geoserver_setting: settings.default({}),
  preview_path: z.string().optional(),
  ows_resource: owsResources.nullish(),
};
