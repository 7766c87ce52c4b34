import type { ProductionPackage } from './production-packages.mjs';

/** Throws for a package whose licence is missing or not permissive. */
export declare function licences(packages?: readonly ProductionPackage[]): string;
