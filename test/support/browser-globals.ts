// The few globals of a page that browser libraries ask for, to run them in Node.

export function defineBrowserGlobals(): void {
  Object.assign(globalThis, {
    document: { hidden: false, addEventListener() {}, removeEventListener() {} },
    window: { fetch, setTimeout, clearTimeout },
  })
}
