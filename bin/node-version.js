// Plain JavaScript, old syntax: it must run on the Node it is there to refuse.
const [major, minor] = process.versions.node.split('.').map(Number)

if (major < 22 || (major === 22 && minor < 18)) {
  console.error(
    `Sallyport needs Node 22.18 or later, and this is ${process.version}. ` +
      'Run it through npm (npm start), which brings a Node of its own, or install a newer one.',
  )
  process.exit(1)
}
