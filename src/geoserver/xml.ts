import Builder from 'fast-xml-builder';
import { SaxesParser } from 'saxes';

/** Deeper documents are refused: nothing real is, and readers of the tree may recurse. */
const MAX_DEPTH = 200;

export interface XmlElement {
  /** Without prefix. */
  readonly name: string;
  readonly namespace: string;
  /** By local name; declarations of namespaces are not among them. */
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  readonly text: string;
}

interface Growing extends XmlElement {
  readonly children: Growing[];
  text: string;
}

const XMLNS = 'http://www.w3.org/2000/xmlns/';

/**
 * Parses a document with namespaces, strictly, and never reads what an entity or a DOCTYPE points to.
 * Throws Error with line, column and reason when it is not well-formed or uses an entity of its own.
 */
export function parseXml(source: string): XmlElement {
  const parser = new SaxesParser({ xmlns: true });
  const open: Growing[] = [];
  let root: Growing | undefined;
  parser.on('opentag', (tag) => {
    if (open.length >= MAX_DEPTH) throw new Error(`elements are nested deeper than ${MAX_DEPTH}`);
    const attributes = Object.values(tag.attributes).filter((attribute) => attribute.uri !== XMLNS);
    const element: Growing = {
      name: tag.local,
      namespace: tag.uri,
      attributes: new Map(attributes.map((attribute) => [attribute.local, attribute.value])),
      children: [],
      text: '',
    };
    open.at(-1)?.children.push(element);
    root ??= element;
    open.push(element);
  });
  parser.on('closetag', () => void open.pop());
  const addText = (text: string): void => {
    const current = open.at(-1);
    if (current !== undefined) current.text += text;
  };
  parser.on('text', addText);
  parser.on('cdata', addText);
  parser.on('error', (error) => {
    throw error;
  });
  parser.write(source).close();
  if (root === undefined) throw new Error('there is no root element');
  return root;
}

/** Builds a document: nested objects are elements, arrays repeated ones, keys with `@_` attributes. Values are escaped. */
export function buildXml(document: object): string {
  return new Builder({ ignoreAttributes: false, attributeNamePrefix: '@_' }).build(document);
}

/** The first element at the end of a chain of names. */
export function find(element: XmlElement | undefined, ...names: readonly string[]): XmlElement | undefined {
  return names.reduce<XmlElement | undefined>(
    (inner, name) => inner?.children.find((child) => child.name === name),
    element,
  );
}
