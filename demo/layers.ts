import { fileURLToPath } from 'node:url';

export interface DemoLayer {
  readonly name: string;
  readonly style: string;
  /** A SELECT that gives the rows of the master's table, Western Australia being 113 to 129 east, 14 to 35 south. */
  readonly rows: string;
}

/** The three kinds of geometry that map layers have. */
export const LAYERS: readonly DemoLayer[] = [
  {
    name: 'towns',
    style: styleFile('point'),
    rows: `SELECT id, 'Town ' || id AS name, ST_SetSRID(ST_Point(114 + id % 14, -34 + id % 19), 4326) AS wkb_geometry
           FROM generate_series(1, 400) AS id`,
  },
  {
    name: 'roads',
    style: styleFile('line'),
    rows: `SELECT id, 'Road ' || id AS name,
                  ST_SetSRID(ST_MakeLine(ST_Point(114 + id % 14, -34), ST_Point(115 + id % 13, -15)), 4326) AS wkb_geometry
           FROM generate_series(1, 150) AS id`,
  },
  {
    name: 'reserves',
    style: styleFile('polygon'),
    rows: `SELECT id, 'Reserve ' || id AS name,
                  ST_MakeEnvelope(114 + id % 14, -34 + id % 19, 114.5 + id % 14, -33.5 + id % 19, 4326) AS wkb_geometry
           FROM generate_series(1, 60) AS id`,
  },
];

function styleFile(name: string): string {
  return fileURLToPath(new URL(`styles/${name}.sld`, import.meta.url));
}
