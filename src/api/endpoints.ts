import { backupEndpoints } from './endpoints/backups.ts';
import { eventEndpoints } from './endpoints/events.ts';
import { holdEndpoints } from './endpoints/holds.ts';
import { ledgerEndpoints } from './endpoints/ledger.ts';
import { objectiveEndpoints } from './endpoints/objectives.ts';
import { operationEndpoints } from './endpoints/operations.ts';
import { policyEndpoints } from './endpoints/policies.ts';
import { restoreEndpoints } from './endpoints/restores.ts';
import { retentionEndpoints } from './endpoints/retention.ts';
import { validationEndpoints } from './endpoints/validations.ts';
import { verificationEndpoints } from './endpoints/verifications.ts';
import { versionEndpoints } from './endpoints/version.ts';
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
