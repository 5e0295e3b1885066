import type { FastifyServerOptions } from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';

/** For every server: Fastify would load its own, for JSON Schema, which no route has, and which the bundle leaves out. */
export const zodCompilers = {
  compilersFactory: {
    buildValidator: () => validatorCompiler,
    buildSerializer: () => serializerCompiler,
  },
  // Fastify’s types know only the compilers that it would load itself.
} as unknown as NonNullable<FastifyServerOptions['schemaController']>;
