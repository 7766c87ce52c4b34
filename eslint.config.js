import tseslint from 'typescript-eslint';

const onlyIn = (name, file) => ({
  name,
  message: `Only ${file} imports ${name}: go through it.`,
});

export default tseslint.config(
  { ignores: ['dist*/', 'releases/', 'node_modules/', 'coverage/'] },
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      'no-console': 'error',
      'no-restricted-imports': [
        'error',
        { paths: [onlyIn('execa', 'src/lib/process.ts'), onlyIn('node-fetch', 'src/lib/http.ts')] },
      ],
    },
  },
  { files: ['src/lib/process.ts', 'src/lib/http.ts'], rules: { 'no-restricted-imports': 'off' } },
  { files: ['src/cli.ts', 'src/cli/**', 'src/lib/log.ts', 'bench/**'], rules: { 'no-console': 'off' } },
  {
    files: ['test/**', 'bench/**', 'demo/**'],
    rules: {
      '@typescript-eslint/no-unused-expressions': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      'no-restricted-imports': 'off',
      'no-restricted-syntax': [
        'error',
        {
          selector: "MemberExpression[property.name='only'][object.name=/^(it|describe)$/]",
          message: 'no .only',
        },
      ],
    },
  },
);
