import type { Config } from '../config.js';
import type { Clock } from '../lib/clock.js';
import type { Logger } from '../lib/log.js';
import type { Transfer } from '../transfer/transfer.js';
import type { TransferProgress } from '../transfer/types.js';

/** The transfer as configured; loaded only where something has to be fetched. */
export async function openTransfer(
  config: Config,
  deps: {
    readonly log: Logger;
    readonly clock: Clock;
    readonly onProgress?: (progress: TransferProgress) => void;
  },
): Promise<Transfer> {
  const { Transfer } = await import('../transfer/transfer.js');
  return new Transfer(
    {
      cachePath: config.cachePath,
      cacheMaxBytes: config.cacheMaxBytes,
      ssh: config.dataSsh,
      shareLayerData: config.shareLayerData,
      localDataRoot: config.localDataRoot,
      peer: config.syncServer,
      transfersPerHost: config.limits.transfersPerHost,
      timeouts: { connectSeconds: 60, idleSeconds: 120 },
    },
    deps,
  );
}
