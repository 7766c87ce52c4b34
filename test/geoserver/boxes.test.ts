import { expect } from 'chai';
import { fromJson, sameBox, toJson, union, withArea } from '../../src/geoserver/boxes.js';

const BOX = { minx: 115, miny: -35, maxx: 117, maxy: -33 };

describe('boxes', () => {
  it('reads what it writes, and numbers that are text', () => {
    expect(fromJson(toJson(BOX, 'EPSG:4326'))).to.deep.equal(BOX);
    expect(fromJson({ minx: '115', miny: '-35', maxx: '117.0', maxy: -33 })).to.deep.equal(BOX);
    expect(fromJson(undefined)).to.equal(undefined);
    expect(fromJson({ minx: 1 })).to.equal(undefined);
  });

  it('takes rounding for equal, and nothing else', () => {
    expect(sameBox(BOX, { ...BOX, minx: 115 + 1e-10 })).to.equal(true);
    expect(sameBox(BOX, { ...BOX, minx: 115.00001 })).to.equal(false);
    expect(sameBox(BOX, undefined)).to.equal(false);
  });

  it('leaves empty boxes out of a union', () => {
    const empty = { minx: 0, miny: 0, maxx: -1, maxy: -1 };
    expect(union([empty, BOX, { ...BOX, maxx: 120, miny: -34 }])).to.deep.equal({ ...BOX, maxx: 120 });
    expect(union([empty])).to.equal(undefined);
    expect(union([])).to.equal(undefined);
  });

  it('gives a point and a line an area around them', () => {
    const point = withArea({ minx: 115, miny: -35, maxx: 115, maxy: -35 });
    expect(point.maxx).to.be.greaterThan(115);
    expect(point.miny).to.be.lessThan(-35);
    const line = withArea({ ...BOX, maxy: -35 });
    expect(line).to.deep.equal({ minx: 115, maxx: 117, miny: -36, maxy: -34 });
    expect(withArea(BOX)).to.deep.equal(BOX);
  });
});
