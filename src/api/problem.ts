import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { asHoldfastError, type ErrorCode, HoldfastError } from '../domain/errors.ts';
import type { Problem } from './schemas/common.ts';

export const problemType = 'application/problem+json';

/** Which of our errors the framework’s own are. What is not named here is REQUEST_INVALID below status 500. */
const frameworkErrors: Readonly<Record<string, { readonly code: ErrorCode; readonly message: string }>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: { code: 'MEDIA_TYPE_UNSUPPORTED', message: 'the body is not application/json' },
  FST_ERR_CTP_INVALID_TYPE: { code: 'MEDIA_TYPE_UNSUPPORTED', message: 'the body is not application/json' },
  FST_ERR_CTP_BODY_TOO_LARGE: { code: 'REQUEST_TOO_LARGE', message: 'the body is larger than the service takes' },
  FST_ERR_BAD_URL: { code: 'REQUEST_INVALID', message: 'the path is not valid percent-encoded UTF-8' },
  FST_ERR_MAX_PARAM_LENGTH: { code: 'REQUEST_INVALID', message: 'a part of the path is too long' },
  FST_ERR_HANDLER_TIMEOUT: { code: 'TIMEOUT', message: 'the service did not finish this request within its time limit' },
};

const places: Readonly<Record<string, string>> = { querystring: 'query', params: 'path', headers: 'headers' };

/** What is wrong with which field of a request. */
export type FieldErrors = readonly { readonly pointer: string; readonly detail: string }[];

interface FrameworkError extends Error {
  /** A number in a DOMException. */
  readonly code?: string | number;
  readonly statusCode?: number;
  readonly validationContext?: string;
}

/** A request whose fields are wrong, each of them named. */
export class InvalidRequest extends HoldfastError {
  readonly fields: FieldErrors;

  constructor(message: string, fields: FieldErrors) {
    super('REQUEST_INVALID', message);
    this.fields = fields;
  }
}

/** Whatever a request can fail with, as an error of the table. */
export function requestError(thrown: unknown): HoldfastError {
  if (hasZodFastifySchemaValidationErrors(thrown)) {
    const place = places[thrown.validationContext ?? ''] ?? 'body';
    const fields = thrown.validation.map(issue => ({
      pointer: `/${place}${issue.instancePath === '/' ? '' : issue.instancePath}`,
      detail: issue.message ?? 'is invalid',
    }));
    return new InvalidRequest(`the ${place} of the request is not as described: ${fields[0]?.pointer} ${fields[0]?.detail}`, fields);
  }
  if (thrown instanceof HoldfastError || !(thrown instanceof Error)) return asHoldfastError(thrown);
  const { code: given, statusCode = 500 } = thrown as FrameworkError;
  const code = typeof given === 'string' ? given : '';
  const known = frameworkErrors[code];
  if (known !== undefined) return new HoldfastError(known.code, known.message, { cause: thrown });
  if (code.startsWith('FST_ERR_') && statusCode < 500) return new HoldfastError('REQUEST_INVALID', thrown.message, { cause: thrown });
  return asHoldfastError(thrown);
}

/** Outcomes that are no errors by themselves (a partial backup) have a status below 400; as a problem they are one. */
export function problemStatus(error: HoldfastError): number {
  return error.status >= 400 ? error.status : 500;
}

/** RFC 9457. What is unexpected keeps its words to the log, which has them under the request’s id. */
export function problemOf(error: HoldfastError, instance: string, requestId: string): Problem {
  return {
    type: `urn:holdfast:problem:${error.code.toLowerCase().replaceAll('_', '-')}`,
    title: error.code.toLowerCase().replaceAll('_', ' '),
    status: problemStatus(error),
    detail: error.code === 'INTERNAL' ? `an unexpected error; the service’s log has it under request ${requestId}` : error.message,
    instance,
    code: error.code,
    hint: error.hint,
    ...(error instanceof InvalidRequest && { errors: [...error.fields] }),
  };
}
