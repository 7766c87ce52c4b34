export interface ProductionPackage {
  readonly name: string;
  readonly version: string;
  readonly folder: string;
  readonly licence: string | undefined;
  readonly optional: boolean;
}

export declare function productionPackages(): ProductionPackage[];
