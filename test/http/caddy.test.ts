import { describeProxy } from '../_proxy.ts'
import { caddy } from '../_proxy-programs.ts'

describeProxy(caddy)
