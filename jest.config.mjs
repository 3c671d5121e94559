const shared = {
  rootDir: import.meta.dirname,
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  moduleFileExtensions: ['ts', 'mjs', 'js', 'json'],
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.cache/'],
  injectGlobals: false,
  transform: {
    '\\.ts$': [
      '@swc/jest',
      {
        swcrc: false,
        sourceMaps: 'inline',
        module: { type: 'es6' },
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript' },
          keepClassNames: true,
        },
      },
    ],
  },
}

const project = (displayName, folders, testTimeout) => ({
  ...shared,
  displayName,
  testTimeout,
  testMatch: folders.map((folder) => `<rootDir>/test/${folder}/**/*.test.ts`),
})

export default {
  maxWorkers: 2,
  reporters: ['default', '<rootDir>/tools/closing-line-reporter.mjs'],
  projects: [
    project('unit', ['unit', 'support', 'servers'], 30_000),
    project('suite', ['contract', 'property', 'issues', 'examples', 'cli'], 60_000),
    project('server', ['integration', 'fault', 'memory'], 120_000),
    project('package', ['architecture', 'docs', 'packaging'], 300_000),
  ],
}
