//! Rewrites a dynamically quantised graph for tract.
//!
//! `training/` ships int8 weights because ONNX Runtime multiplies them fastest. tract multiplies float32 fastest (six
//! times as fast as it runs the same products in int8), so before it sees the graph, each
//!
//! ```text
//! DynamicQuantizeLinear(x) ─► MatMulInteger(·, weights) ─► Cast ─► Mul(·, Mul(scale of x, scale of weights))
//! ```
//!
//! becomes `MatMul(x, weights as float32)`. The word table stays int8: only the few rows that a text needs are widened.

use std::collections::{HashMap, HashSet};

use prost::Message;
use tract_onnx::pb::{
    GraphProto, ModelProto, NodeProto, TensorProto, tensor_proto::DataType,
    tensor_shape_proto::dimension, type_proto,
};

/// Why a graph could not be rewritten.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RewriteError {
    #[error("it is not an ONNX file: {0}")]
    Protobuf(#[from] prost::DecodeError),
    #[error("it holds no graph")]
    NoGraph,
    #[error(
        "initializer `{0}` is missing, or its type or length is not what a quantised product needs"
    )]
    Initializer(String),
    #[error("node `{0}` is not part of a dynamic quantisation that is understood here")]
    Pattern(String),
}

/// The graph with float32 products, for texts one at a time. A graph without quantised products stays as it is.
pub(crate) fn to_float(onnx: &[u8]) -> Result<Vec<u8>, RewriteError> {
    let mut model = ModelProto::decode(onnx)?;
    let graph = model.graph.as_mut().ok_or(RewriteError::NoGraph)?;
    let products = find_products(graph)?;
    replace(graph, products);
    remove_unused(graph);
    fix_batch(graph);
    Ok(model.encode_to_vec())
}

/// One quantised product: what it multiplies and what carries the result.
struct Product {
    /// Name of the node that multiplies integers.
    node: String,
    /// The float32 tensor on the left.
    left: String,
    /// Weights in float32.
    weights: TensorProto,
    /// The tensor that the last node of the pattern writes.
    result: String,
    /// Place of that last node; the product takes it.
    place: usize,
}

fn find_products(graph: &GraphProto) -> Result<Vec<Product>, RewriteError> {
    let index = Index::new(graph);
    graph
        .node
        .iter()
        .filter(|node| node.op_type == "MatMulInteger")
        .map(|node| index.product(node))
        .collect()
}

/// Who writes and who reads each tensor.
struct Index<'g> {
    nodes: &'g [NodeProto],
    writer: HashMap<&'g str, usize>,
    readers: HashMap<&'g str, Vec<usize>>,
    initializers: HashMap<&'g str, &'g TensorProto>,
}

impl<'g> Index<'g> {
    fn new(graph: &'g GraphProto) -> Self {
        let mut writer = HashMap::new();
        let mut readers: HashMap<&str, Vec<usize>> = HashMap::new();
        for (place, node) in graph.node.iter().enumerate() {
            for output in &node.output {
                writer.insert(output.as_str(), place);
            }
            for input in &node.input {
                readers.entry(input.as_str()).or_default().push(place);
            }
        }
        Self {
            nodes: &graph.node,
            writer,
            readers,
            initializers: graph
                .initializer
                .iter()
                .map(|tensor| (tensor.name.as_str(), tensor))
                .collect(),
        }
    }

    fn product(&self, node: &NodeProto) -> Result<Product, RewriteError> {
        let unknown = || RewriteError::Pattern(node.name.clone());
        let [quantised, weights, rest @ ..] = node.input.as_slice() else {
            return Err(unknown());
        };
        let quantiser = self
            .written_by(quantised, "DynamicQuantizeLinear")
            .ok_or_else(unknown)?;
        let (left, left_scale) = match (quantiser.input.first(), quantiser.output.get(1)) {
            (Some(left), Some(scale)) => (left, scale),
            _ => return Err(unknown()),
        };
        let cast = self.only_reader(node, "Cast").ok_or_else(unknown)?;
        let scaled = self.only_reader(cast, "Mul").ok_or_else(unknown)?;
        let result = scaled.output.first().ok_or_else(unknown)?;
        let weight_scale = self
            .other_input(scaled, cast.output.first())
            .and_then(|scales| self.written_by(scales, "Mul"))
            .and_then(|scales| self.other_input(scales, Some(left_scale)))
            .ok_or_else(unknown)?;
        Ok(Product {
            node: node.name.clone(),
            left: left.clone(),
            weights: self.widen(weights, weight_scale, rest.get(1).map(String::as_str))?,
            result: result.clone(),
            place: *self.writer.get(result.as_str()).ok_or_else(unknown)?,
        })
    }

    fn written_by(&self, tensor: &str, operator: &str) -> Option<&'g NodeProto> {
        let node = &self.nodes[*self.writer.get(tensor)?];
        (node.op_type == operator).then_some(node)
    }

    fn only_reader(&self, node: &NodeProto, operator: &str) -> Option<&'g NodeProto> {
        match self.readers.get(node.output.first()?.as_str())?.as_slice() {
            [reader] if self.nodes[*reader].op_type == operator => Some(&self.nodes[*reader]),
            _ => None,
        }
    }

    /// The input of a two-input node that is not `known`.
    fn other_input(&self, node: &'g NodeProto, known: Option<&String>) -> Option<&'g str> {
        match node.input.as_slice() {
            [a, b] if Some(a) == known => Some(b),
            [a, b] if Some(b) == known => Some(a),
            _ => None,
        }
    }

    /// Weights `[rows, columns]` in float32: `(weight - zero point) × scale`, with one scale, or one a column.
    fn widen(
        &self,
        weights: &str,
        scale: &str,
        zero_point: Option<&str>,
    ) -> Result<TensorProto, RewriteError> {
        let bad = |name: &str| RewriteError::Initializer(name.to_owned());
        let tensor = self.initializers.get(weights).ok_or_else(|| bad(weights))?;
        let values = integers(tensor).ok_or_else(|| bad(weights))?;
        let columns = match tensor.dims.as_slice() {
            [_, columns] if *columns > 0 => usize::try_from(*columns).map_err(|_| bad(weights))?,
            _ => return Err(bad(weights)),
        };
        let scales = self
            .initializers
            .get(scale)
            .and_then(|tensor| floats(tensor))
            .filter(|scales| matches!(scales.len(), 1) || scales.len() == columns)
            .ok_or_else(|| bad(scale))?;
        let zero_points = match zero_point.filter(|name| !name.is_empty()) {
            None => vec![0],
            Some(name) => self
                .initializers
                .get(name)
                .and_then(|tensor| integers(tensor))
                .filter(|zeros| matches!(zeros.len(), 1) || zeros.len() == columns)
                .ok_or_else(|| bad(name))?,
        };
        let mut raw = Vec::with_capacity(values.len() * size_of::<f32>());
        for row in values.chunks(columns) {
            for (column, &value) in row.iter().enumerate() {
                let zero = zero_points[column % zero_points.len()];
                let scale = scales[column % scales.len()];
                raw.extend_from_slice(&(f32::from(value - zero) * scale).to_le_bytes());
            }
        }
        Ok(TensorProto {
            name: format!("{weights}_as_float"),
            dims: tensor.dims.clone(),
            data_type: DataType::Float.into(),
            raw_data: raw,
            ..TensorProto::default()
        })
    }
}

/// The values of an int8 or uint8 tensor, if there are as many as its shape says.
fn integers(tensor: &TensorProto) -> Option<Vec<i16>> {
    let signed = match DataType::try_from(tensor.data_type).ok()? {
        DataType::Int8 => true,
        DataType::Uint8 => false,
        _ => return None,
    };
    let from_byte = |byte: u8| {
        if signed {
            i16::from(byte.cast_signed())
        } else {
            i16::from(byte)
        }
    };
    let values: Vec<i16> = if tensor.raw_data.is_empty() {
        tensor
            .int32_data
            .iter()
            .map(|&value| i16::try_from(value).ok())
            .collect::<Option<_>>()?
    } else {
        tensor.raw_data.iter().copied().map(from_byte).collect()
    };
    (values.len() == count(tensor)?).then_some(values)
}

/// The values of a float32 tensor, if there are as many as its shape says.
fn floats(tensor: &TensorProto) -> Option<Vec<f32>> {
    if tensor.data_type != i32::from(DataType::Float) {
        return None;
    }
    let values: Vec<f32> = if tensor.raw_data.is_empty() {
        tensor.float_data.clone()
    } else {
        tensor
            .raw_data
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect()
    };
    (values.len() == count(tensor)?).then_some(values)
}

fn count(tensor: &TensorProto) -> Option<usize> {
    tensor.dims.iter().try_fold(1_usize, |product, &size| {
        product.checked_mul(usize::try_from(size).ok()?)
    })
}

/// Puts each product in place of the last node of its pattern, so that the order of nodes stays topological.
fn replace(graph: &mut GraphProto, products: Vec<Product>) {
    for product in products {
        graph.node[product.place] = NodeProto {
            name: product.node,
            op_type: "MatMul".to_owned(),
            input: vec![product.left, product.weights.name.clone()],
            output: vec![product.result],
            ..NodeProto::default()
        };
        graph.initializer.push(product.weights);
    }
}

/// Drops the nodes and initializers whose results nobody reads any more.
fn remove_unused(graph: &mut GraphProto) {
    let mut needed: HashSet<String> = graph
        .output
        .iter()
        .map(|output| output.name.clone())
        .collect();
    // Nodes stand in topological order, so one walk from the end sees every reader before its writer.
    let mut kept: Vec<NodeProto> = std::mem::take(&mut graph.node)
        .into_iter()
        .rev()
        .filter(|node| {
            let is_needed = node.output.iter().any(|output| needed.contains(output));
            if is_needed {
                needed.extend(node.input.iter().cloned());
            }
            is_needed
        })
        .collect();
    kept.reverse();
    graph.node = kept;
    graph
        .initializer
        .retain(|tensor| needed.contains(&tensor.name));
}

/// Fixes the first axis of inputs and outputs at one text: tract plans shapes that it knows better. What the exporter
/// noted of the shapes between them still speaks of any number of texts, so tract derives those itself.
fn fix_batch(graph: &mut GraphProto) {
    graph.value_info.clear();
    for end in graph.input.iter_mut().chain(&mut graph.output) {
        let Some(type_proto::Value::TensorType(tensor)) =
            end.r#type.as_mut().and_then(|kind| kind.value.as_mut())
        else {
            continue;
        };
        if let Some(first) = tensor
            .shape
            .as_mut()
            .and_then(|shape| shape.dim.first_mut())
        {
            first.value = Some(dimension::Value::DimValue(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(op_type: &str, name: &str, input: &[&str], output: &[&str]) -> NodeProto {
        NodeProto {
            name: name.into(),
            op_type: op_type.into(),
            input: input.iter().map(ToString::to_string).collect(),
            output: output.iter().map(ToString::to_string).collect(),
            ..NodeProto::default()
        }
    }

    fn tensor(name: &str, kind: DataType, dims: &[i64], raw: Vec<u8>) -> TensorProto {
        TensorProto {
            name: name.into(),
            dims: dims.to_vec(),
            data_type: kind.into(),
            raw_data: raw,
            ..TensorProto::default()
        }
    }

    /// `y = x · w`, with w two rows by three columns, the way onnxruntime's quantiser writes it.
    fn tiny() -> ModelProto {
        let value = |name: &str| tract_onnx::pb::ValueInfoProto {
            name: name.into(),
            ..Default::default()
        };
        let scales = [0.5_f32, 0.25, 2.0]
            .iter()
            .flat_map(|s| s.to_le_bytes())
            .collect();
        let graph = GraphProto {
            node: vec![
                node("DynamicQuantizeLinear", "q", &["x"], &["xq", "xs", "xz"]),
                node("Mul", "scales", &["xs", "ws"], &["s"]),
                node(
                    "MatMulInteger",
                    "product",
                    &["xq", "wq", "xz", "wz"],
                    &["i"],
                ),
                node("Cast", "cast", &["i"], &["f"]),
                node("Mul", "scaled", &["f", "s"], &["y"]),
            ],
            initializer: vec![
                tensor(
                    "wq",
                    DataType::Int8,
                    &[2, 3],
                    vec![1, 2, 3, 0xFF, 0xFE, 0x80],
                ),
                tensor("wz", DataType::Int8, &[3], vec![0, 1, 0]),
                tensor("ws", DataType::Float, &[3], scales),
            ],
            input: vec![value("x")],
            output: vec![value("y")],
            ..GraphProto::default()
        };
        ModelProto {
            graph: Some(graph),
            ..ModelProto::default()
        }
    }

    fn rewritten(model: &ModelProto) -> GraphProto {
        let bytes = to_float(&model.encode_to_vec()).unwrap();
        ModelProto::decode(bytes.as_slice()).unwrap().graph.unwrap()
    }

    #[test]
    fn a_quantised_product_becomes_one_float_product_and_nothing_else_is_left() {
        let graph = rewritten(&tiny());
        assert_eq!(graph.node.len(), 1);
        assert_eq!(graph.node[0].op_type, "MatMul");
        assert_eq!(graph.node[0].input, ["x", "wq_as_float"]);
        assert_eq!(graph.node[0].output, ["y"]);
        assert_eq!(graph.initializer.len(), 1);
        assert_eq!(
            floats(&graph.initializer[0]).unwrap(),
            [0.5, 0.25, 6.0, -0.5, -0.75, -256.0]
        );
    }

    #[test]
    fn unsigned_weights_with_one_scale_are_understood() {
        let mut model = tiny();
        let graph = model.graph.as_mut().unwrap();
        graph.initializer = vec![
            tensor("wq", DataType::Uint8, &[2, 3], vec![0, 1, 2, 255, 3, 4]),
            TensorProto {
                int32_data: vec![1],
                ..tensor("wz", DataType::Uint8, &[], vec![])
            },
            TensorProto {
                float_data: vec![2.0],
                ..tensor("ws", DataType::Float, &[], vec![])
            },
        ];
        assert_eq!(
            floats(&rewritten(&model).initializer[0]).unwrap(),
            [-2.0, 0.0, 2.0, 508.0, 4.0, 6.0]
        );
    }

    #[test]
    fn a_graph_without_quantised_products_keeps_its_nodes() {
        let mut model = tiny();
        let graph = model.graph.as_mut().unwrap();
        graph.node = vec![node("MatMul", "product", &["x", "w"], &["y"])];
        graph.initializer = vec![tensor("w", DataType::Float, &[2, 1], vec![0; 8])];
        let graph = rewritten(&model);
        assert_eq!(graph.node[0].input, ["x", "w"]);
        assert_eq!(graph.initializer.len(), 1);
    }

    #[test]
    fn a_broken_file_is_an_error_that_names_the_place() {
        assert!(matches!(
            to_float(b"not onnx"),
            Err(RewriteError::Protobuf(_))
        ));
        assert!(matches!(to_float(b""), Err(RewriteError::NoGraph)));
        let mut model = tiny();
        model.graph.as_mut().unwrap().initializer[0].raw_data.pop();
        let error = to_float(&model.encode_to_vec()).unwrap_err();
        assert!(error.to_string().contains("`wq`"), "{error}");
    }
}
