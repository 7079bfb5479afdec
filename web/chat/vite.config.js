// React's JSX is compiled by Vite's own esbuild; a plugin would only add hot reloading of components.
import { defineConfig } from "vite";

export default defineConfig({
  esbuild: { jsx: "automatic" },
  build: {
    outDir: "../../src/posthouse/simulator/page",
    emptyOutDir: false,
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 800,
    modulePreload: { polyfill: false },
    target: "es2022",
  },
  // `npm run dev` talks to a simulator on its usual port.
  server: { proxy: { "/sim": "http://127.0.0.1:8081" } },
});
