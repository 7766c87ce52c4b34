export function which(name: string): string | undefined;
export function postgresBin(): string | undefined;
