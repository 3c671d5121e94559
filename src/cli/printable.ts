export { clipped, printable, printableLines, textOf, utf8Of } from '../kit/printable.ts'
