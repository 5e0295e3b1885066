import { backupEndpoints } from './endpoints/backups.ts';
import { validationEndpoints, verificationEndpoints } from './endpoints/checks.ts';
import { operationEndpoints } from './endpoints/operations.ts';
import { objectiveEndpoints, policyEndpoints } from './endpoints/policies.ts';
import { restoreEndpoints } from './endpoints/restores.ts';
import { holdEndpoints, retentionEndpoints } from './endpoints/retention.ts';
import { eventEndpoints, ledgerEndpoints, versionEndpoints } from './endpoints/service.ts';
import { volumeEndpoints } from './endpoints/volumes.ts';

export const apiPrefix = '/api/v1';

/** The whole API, by resource: the server serves it, the client calls it, the OpenAPI document describes it. */
export const endpoints = {
  backups: backupEndpoints,
  restores: restoreEndpoints,
  volumes: volumeEndpoints,
  verifications: verificationEndpoints,
  validations: validationEndpoints,
  operations: operationEndpoints,
  policies: policyEndpoints,
  objectives: objectiveEndpoints,
  retention: retentionEndpoints,
  holds: holdEndpoints,
  ledger: ledgerEndpoints,
  events: eventEndpoints,
  version: versionEndpoints,
} as const;
