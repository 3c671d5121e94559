const shared = {
  rootDir: import.meta.dirname,
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  moduleFileExtensions: ['ts', 'mjs', 'js', 'json'],
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.cache/'],
  injectGlobals: false,
  // The examples import what users import; tsconfig.json has the same for the compiler and tsx.
  moduleNameMapper: {
    '^rx-datasync$': '<rootDir>/src/index.ts',
    '^rx-datasync/(lmdb|redis|etcd|kafka|rest|rest/server|grpc|grpc/server)$':
      '<rootDir>/src/adapters/$1/index.ts',
    '^rx-datasync/(dashboard|telemetry|testing)$': '<rootDir>/src/$1/index.ts',
  },
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

const project = (displayName, folders) => ({
  ...shared,
  displayName,
  testMatch: folders.map((folder) => `<rootDir>/test/${folder}/**/*.test.ts`),
})

export default {
  maxWorkers: 3,
  // Jest takes it here only, not per project. A test that hangs is a bug, not a pace.
  testTimeout: 120_000,
  reporters: ['default', '<rootDir>/tools/closing-line-reporter.mjs'],
  projects: [
    project('unit', ['unit', 'support', 'servers']),
    project('suite', ['contract', 'property', 'issues', 'examples', 'cli']),
    project('server', ['integration', 'fault', 'memory', 'browser']),
    project('package', ['architecture', 'docs', 'packaging']),
  ],
}
