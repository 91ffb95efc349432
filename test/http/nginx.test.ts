import { describeProxy } from '../_proxy.ts'
import { nginx } from '../_proxy-programs.ts'

describeProxy(nginx)
