#!/usr/bin/env node
import { enableCompileCache } from 'node:module';
import { PenstockError, describeError } from '#common/errors.ts';
import { exitCodeOf } from '#common/exitCode.ts';

enableCompileCache();
const { readConfig } = await import('./config.ts');
const { runIntake } = await import('./program.ts');

try {
  await runIntake(readConfig());
} catch (error) {
  const code = error instanceof PenstockError ? error.code : 'UnexpectedError';
  process.stderr.write(`penstock intake: ${code}: ${describeError(error)}\n`);
  process.exit(exitCodeOf(error));
}
process.exit(0);
