import { defineConfig } from "vitest/config";

// One script and one style sheet, which the program puts into report.html and serves by itself. They hold no URL of another
// place: a report fetches nothing, and a server's page asks that server alone.
export default defineConfig({
  // A library build leaves this to others; there is nobody behind this one.
  define: { "process.env.NODE_ENV": JSON.stringify("production") },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    outDir: "dist",
    emptyOutDir: true,
    cssCodeSplit: false,
    license: { fileName: "THIRD-PARTY.md" },
    lib: {
      entry: "src/main.tsx",
      formats: ["iife"],
      name: "crabwalk",
      fileName: () => "report.js",
      cssFileName: "report",
    },
  },
  test: {
    projects: [
      { extends: true, test: { name: "unit", include: ["tests/unit/**/*.test.ts"], environment: "node" } },
      {
        extends: true,
        test: {
          name: "browser",
          include: ["tests/browser/**/*.test.ts"],
          environment: "node",
          testTimeout: 120_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
