import js from '@eslint/js';
import tseslint from 'typescript-eslint';

const environmentRule = {
  selector: "MemberExpression[object.name='process'][property.name='env']",
  message: 'Read the environment in config.ts only, and pass the parsed value down.',
};
const exitRule = {
  selector: "CallExpression[callee.object.name='process'][callee.property.name='exit']",
  message: 'Only main.ts ends the process; throw or return instead.',
};
const impurities = [
  {
    selector: "MemberExpression[object.name='Date'][property.name='now']",
    message: 'Pure room: take the time as an argument.',
  },
  {
    selector: "NewExpression[callee.name='Date'][arguments.length=0]",
    message: 'Pure room: take the time as an argument.',
  },
  {
    selector: "MemberExpression[object.name='Math'][property.name='random']",
    message: 'Pure room: take randomness as an argument.',
  },
  { selector: "Identifier[name='process']", message: 'Pure room: no process.' },
  {
    selector: 'CallExpression[callee.name=/^set(Timeout|Interval|Immediate)$/]',
    message: 'Pure room: no timers.',
  },
  { selector: 'ImportDeclaration[source.value=/^node:/]', message: 'Pure room: no I/O.' },
];

export default tseslint.config(
  { ignores: ['node_modules', '.tools', '.cache', 'out'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-definitions': 'off',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true, requireDefaultForNonUnion: true },
      ],
      '@typescript-eslint/prefer-readonly': 'error',
      // What `using` names is used by the end of its scope.
      '@typescript-eslint/no-unused-vars': ['error', { ignoreUsingDeclarations: true }],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      eqeqeq: 'error',
      'no-restricted-syntax': ['error', environmentRule, exitRule],
    },
  },
  {
    files: [
      'operator/measure/**/*.ts',
      'operator/decide/**/*.ts',
      'worker/outcome/{backoff,breaker,budget,growth}.ts',
    ],
    rules: { 'no-restricted-syntax': ['error', environmentRule, exitRule, ...impurities] },
  },
  // A handler is one file of somebody else's program: it reads its own settings.
  {
    files: ['**/config.ts', '*.config.ts', 'examples/handlers/*.ts'],
    rules: { 'no-restricted-syntax': ['error', exitRule] },
  },
  { files: ['**/main.ts'], rules: { 'no-restricted-syntax': ['error', environmentRule] } },
  {
    // Tests and benchmarks hand an environment to the child processes they start.
    files: ['test/**/*.ts'],
    rules: {
      'no-restricted-syntax': ['error', exitRule],
      '@typescript-eslint/no-non-null-assertion': 'error',
    },
  },
  {
    files: ['test/tools/check.ts', 'test/bench/main.ts', 'test/cluster/main.ts'],
    rules: { 'no-restricted-syntax': 'off' },
  },
  {
    files: ['**/*.mjs'],
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        URL: 'readonly',
        Buffer: 'readonly',
        setInterval: 'readonly',
      },
    },
  },
);
