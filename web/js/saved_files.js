/** After a node of this pack has written a file, the lists of those that load it are read anew. */
import { app } from '../../../scripts/app.js'
import { follow } from './pose_editor/node_life.js'

const WRITERS = ['CFLDConvert', 'CFLDSaveAppearance', 'CFLDSavePose']

app.registerExtension({
  name: 'CFLD.SavedFiles',
  nodeCreated(node) {
    if (WRITERS.includes(node.comfyClass)) follow(node, 'onExecuted', () => app.refreshComboInNodes())
  }
})
