/** As tsdown.config.ts has it: in hexadecimal, which gzip packs better than base64, where bytes do not begin at letters. */
declare module '*.wasm' {
  const hex: string;
  export default hex;
}
